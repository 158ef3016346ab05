#include "broker/schedule/block_mask.h"

#include <algorithm>

#include "broker/schedule/mutation.h"
#include "common/geometry/checked.h"
#include "common/geometry/wide.h"

namespace bellis {

BlockMask::BlockMask(const BlockGrid& grid, const MaskSpec& mask)
    : grid_(grid), rank_(static_cast<size_t>(grid.rank())) {
  if (grid.num_blocks() == 0) return;
  uint64_t cells = 1;
  for (size_t d = 0; d < rank_; ++d) {
    bands_.push_back(MakeBands(grid, mask, static_cast<int>(d)));
    cells *= bands_[d].size();
    any_.emplace_back(cells);
  }
  FillCells(mask);
  masked_ = grid.num_blocks() - CountBelow(0, 0);
}

BlockMask::Cost BlockMask::CostOf(const BlockGrid& grid, const MaskSpec& mask) {
  UInt128 cells = 1;
  UInt128 prefixes = 0;  // cells included
  UInt128 bands = 0;
  UInt128 voxels = 1;
  for (int d = 0; d < grid.rank(); ++d) {
    // A band begins where a voxel begins or ends, at the first block, or at the last block.
    const UInt128 most = UInt128{2} * static_cast<uint64_t>(mask.shape[d]) + 3;
    const UInt128 here =
        std::min<UInt128>(static_cast<uint64_t>(grid.counts()[static_cast<size_t>(d)]), most);
    bands += here;
    cells *= here;
    prefixes += cells;
    voxels *= static_cast<uint64_t>(mask.shape[d]);
  }
  const auto row = static_cast<uint64_t>(mask.shape[grid.rank() - 1]);
  const UInt128 bytes = bands * sizeof(Band) + prefixes / 8 + UInt128{row} * 8;
  return {static_cast<uint64_t>(std::min<UInt128>(bytes, UINT64_MAX)),
          static_cast<uint64_t>(std::min<UInt128>(cells + voxels + bands, UINT64_MAX))};
}

std::vector<BlockMask::Band> BlockMask::MakeBands(const BlockGrid& grid, const MaskSpec& mask,
                                                  int dim) {
  std::vector<Band> bands;
  const int64_t count = grid.counts()[static_cast<size_t>(dim)];
  const int64_t offset = mask.offset[dim];
  const int64_t size = mask.voxel_size[dim];
  const int64_t voxels = mask.shape[dim];
  bands.reserve(static_cast<size_t>(std::min(count, 2 * voxels + 3)));  // as in CostOf
  GridPoint k{};
  const auto write = [&](int64_t position) {
    k[static_cast<size_t>(dim)] = position;
    const Roi roi = grid.WriteRoi(k);
    return std::pair(roi.offset()[dim], roi.offset()[dim] + roi.shape()[dim]);
  };
  const int64_t origin = write(0).first;
  const int64_t w = count > 1 ? write(1).first - origin : 1;
  for (int64_t at = 0; at < count;) {
    const auto [begin, end] = write(at);
    const int64_t lo = FloorDiv(begin - offset, size);
    const int64_t hi = CeilDiv(end - offset - (Mutated(Mutation::kMaskRoundsDown) ? 1 : 0), size);
    int64_t next = count;
    if (hi <= 0) {
      bands.push_back({at, 0, 0});
      next = FloorDiv(offset - origin, w);  // the first block that ends beyond the offset
    } else if (lo >= voxels) {
      bands.push_back({at, 0, 0});
    } else {
      bands.push_back({at, std::max<int64_t>(0, lo), std::min(voxels, hi)});
      // The first block that begins in another voxel, and the first that ends in another voxel.
      const int64_t begins = CeilDiv(offset + (lo + 1) * size - origin, w);
      const int64_t ends = FloorDiv(offset + hi * size - origin, w);
      next = std::min(begins, ends);
    }
    // The last block may be cut, and so meet fewer voxels than its neighbours would.
    if (at < count - 1) next = std::min(next, count - 1);
    at = std::clamp(next, at + 1, count);
  }
  return bands;
}

void BlockMask::FillCells(const MaskSpec& mask) {
  const size_t last = rank_ - 1;
  const auto row_voxels = static_cast<uint64_t>(mask.shape[static_cast<int>(last)]);
  // The bands that each voxel of a row lies in. They form a range, since voxels and bands ascend.
  std::vector<std::pair<uint32_t, uint32_t>> bands_of(row_voxels, {UINT32_MAX, 0});
  for (uint32_t b = 0; b < bands_[last].size(); ++b) {
    for (int64_t v = bands_[last][b].voxel_lo; v < bands_[last][b].voxel_hi; ++v) {
      auto& [lo, hi] = bands_of[static_cast<size_t>(v)];
      lo = std::min(lo, b);
      hi = b + 1;
    }
  }
  const uint64_t row_cells = bands_[last].size();
  const uint64_t rows = any_[last].size() / row_cells;
  for (uint64_t r = 0; r < rows; ++r) {
    // The rows of voxels that this row of cells meets.
    GridBox box{{}, {}, static_cast<int>(last)};
    uint64_t rest = r;
    for (size_t d = last; d-- > 0;) {
      const Band& band = bands_[d][rest % bands_[d].size()];
      rest /= bands_[d].size();
      box.lo[d] = band.voxel_lo;
      box.hi[d] = band.voxel_hi;
    }
    if (box.empty()) continue;
    GridPoint v = box.lo;
    do {
      uint64_t begin = 0;
      for (size_t d = 0; d < last; ++d) {
        begin = begin * static_cast<uint64_t>(mask.shape[static_cast<int>(d)]) +
                static_cast<uint64_t>(v[d]);
      }
      begin *= row_voxels;
      for (uint64_t voxel = begin; voxel < begin + row_voxels; ++voxel) {
        if (voxel % 8 == 0 && mask.bits[voxel / 8] == 0) {
          voxel += 7;  // most masks are mostly empty
          continue;
        }
        if (!mask.At(voxel)) continue;
        const auto [lo, hi] = bands_of[voxel - begin];
        for (uint64_t b = lo; b < hi; ++b) SetCell(r * row_cells + b);
      }
    } while (box.Next(&v));
  }
}

/// Marks the cell, and with it all prefixes of its coordinates, as having work.
void BlockMask::SetCell(uint64_t cell) {
  for (size_t d = rank_ - 1; !any_[d][cell]; --d) {
    any_[d][cell] = true;
    if (d == 0) return;
    cell /= bands_[d].size();
  }
}

/// Blocks with work whose first d positions are in the bands of `prefix`.
uint64_t BlockMask::CountBelow(size_t d, uint64_t prefix) const {
  uint64_t blocks = 0;
  for (size_t band = 0; band < bands_[d].size(); ++band) {
    const uint64_t cell = prefix * bands_[d].size() + band;
    if (!any_[d][cell]) continue;
    const auto extent = static_cast<uint64_t>(BandEnd(d, band) - bands_[d][band].begin);
    blocks += extent * (d + 1 == rank_ ? 1 : CountBelow(d + 1, cell));
  }
  return blocks;
}

size_t BlockMask::BandOf(size_t d, int64_t position) const {
  const auto after =
      std::upper_bound(bands_[d].begin(), bands_[d].end(), position,
                       [](int64_t value, const Band& band) { return value < band.begin; });
  return static_cast<size_t>(after - bands_[d].begin()) - 1;
}

int64_t BlockMask::BandEnd(size_t d, size_t band) const {
  return band + 1 < bands_[d].size() ? bands_[d][band + 1].begin : grid_.counts()[d];
}

bool BlockMask::Contains(const GridPoint& k) const {
  uint64_t cell = 0;
  for (size_t d = 0; d < rank_; ++d) {
    cell = cell * bands_[d].size() + BandOf(d, k[d]);
    if (!any_[d][cell]) return false;
  }
  return true;
}

bool BlockMask::Meets(const GridBox& box) const { return !box.empty() && MeetsBelow(0, 0, box); }

bool BlockMask::MeetsBelow(size_t d, uint64_t prefix, const GridBox& box) const {
  for (size_t band = BandOf(d, box.lo[d]);
       band < bands_[d].size() && bands_[d][band].begin < box.hi[d]; ++band) {
    const uint64_t cell = prefix * bands_[d].size() + band;
    if (any_[d][cell] && (d + 1 == rank_ || MeetsBelow(d + 1, cell, box))) return true;
  }
  return false;
}

/// Moves `*k` to the first block with work at or after it, among those whose first d positions are
/// in the bands of `prefix`; false when there is none. `from_start`: k[d..] counts as the lowest.
bool BlockMask::SeekForward(size_t d, uint64_t prefix, bool from_start, GridPoint* k) const {
  int64_t at = from_start ? 0 : (*k)[d];
  for (size_t band = BandOf(d, at); band < bands_[d].size(); ++band) {
    const uint64_t cell = prefix * bands_[d].size() + band;
    const int64_t end = BandEnd(d, band);
    if (any_[d][cell]) {
      // Past the first position, the search below starts from the lowest positions, and finds a
      // block since the cell has work.
      for (; at < end; ++at, from_start = true) {
        if (d + 1 < rank_ && !SeekForward(d + 1, cell, from_start, k)) continue;
        (*k)[d] = at;
        return true;
      }
    }
    at = end;
    from_start = true;
  }
  return false;
}

/// As SeekForward, but downwards: the last block with work at or before `*k`. `from_end`: k[d..]
/// counts as the highest.
bool BlockMask::SeekBackward(size_t d, uint64_t prefix, bool from_end, GridPoint* k) const {
  int64_t at = from_end ? grid_.counts()[d] - 1 : (*k)[d];
  for (size_t band = BandOf(d, at) + 1; band-- > 0;) {
    const uint64_t cell = prefix * bands_[d].size() + band;
    const int64_t begin = bands_[d][band].begin;
    if (any_[d][cell]) {
      for (; at >= begin; --at, from_end = true) {
        if (d + 1 < rank_ && !SeekBackward(d + 1, cell, from_end, k)) continue;
        (*k)[d] = at;
        return true;
      }
    }
    at = begin - 1;
    from_end = true;
  }
  return false;
}

std::optional<BlockIndex> BlockMask::First(BlockIndex lo, BlockIndex hi) const {
  if (lo >= hi) return std::nullopt;
  GridPoint k = grid_.PointOf(lo);
  if (!SeekForward(0, 0, false, &k)) return std::nullopt;
  const BlockIndex found = grid_.IndexOf(k);
  if (found >= hi) return std::nullopt;
  return found;
}

std::optional<BlockIndex> BlockMask::Last(BlockIndex lo, BlockIndex hi) const {
  if (lo >= hi) return std::nullopt;
  GridPoint k = grid_.PointOf(hi - 1);
  if (!SeekBackward(0, 0, false, &k)) return std::nullopt;
  const BlockIndex found = grid_.IndexOf(k);
  if (found < lo) return std::nullopt;
  return found;
}

BlockIndex BlockMask::RunEnd(BlockIndex index) const {
  const GridPoint k = grid_.PointOf(index);
  const size_t last = rank_ - 1;
  uint64_t row = 0;
  for (size_t d = 0; d < last; ++d) row = row * bands_[d].size() + BandOf(d, k[d]);
  size_t band = BandOf(last, k[last]);
  while (band < bands_[last].size() && any_[last][row * bands_[last].size() + band]) ++band;
  return index + static_cast<uint64_t>(BandEnd(last, band - 1) - k[last]);
}

size_t BlockMask::bytes() const {
  size_t bytes = 0;
  for (size_t d = 0; d < bands_.size(); ++d) {
    bytes += bands_[d].size() * sizeof(Band) + any_[d].size() / 8;
  }
  return bytes;
}

}  // namespace bellis
