#pragma once

// The mask of a task says where it has work to do: a coarse grid of voxels, each true or false,
// laid over the volume in world units. A block is *masked*, that is, left out, if its write ROI
// meets no true voxel. Outside the grid everything is false. Plain data.
//
// Example:
//
//     bellis::MaskSpec mask;
//     mask.offset = {0, 0};
//     mask.voxel_size = {100, 100};
//     mask.shape = {2, 4};                                          // 8 voxels: one byte
//     mask.bits = std::string(1, '\x90');                           // voxels 0 and 3: 1001'0000
//     return mask.At(3) && bellis::MaskBytes(mask.shape) == mask.bits.size() ? 0 : 1;

#include <cstdint>
#include <string>

#include "bellis/coordinate.h"

namespace bellis {

/// The most voxels of a mask (8 MiB of bits).
inline constexpr uint64_t kMaskVoxelsMax = uint64_t{1} << 26;

/// The most voxels of all masks of a job (64 MiB of bits).
inline constexpr uint64_t kJobMaskVoxelsMax = uint64_t{1} << 29;

struct MaskSpec {
  Coordinate offset;      // where voxel 0 begins, in world units
  Coordinate voxel_size;  // in world units
  Coordinate shape;       // in voxels
  std::string bits;       // row-major, the first voxel in the highest bit of the first byte
  std::string file;       // a .npy file, not yet read into `shape` and `bits`
  bool operator==(const MaskSpec&) const = default;

  /// Requires that `voxel` is below the number of voxels, and that `bits` is complete.
  bool At(uint64_t voxel) const {
    return (static_cast<unsigned char>(bits[voxel / 8]) >> (7 - voxel % 8) & 1) != 0;
  }
};

/// How many bytes the bits of a mask of this shape take; 0 for rank 0.
inline uint64_t MaskBytes(const Coordinate& shape) {
  uint64_t voxels = shape.rank() == 0 ? 0 : 1;
  for (const int64_t extent : shape) voxels *= static_cast<uint64_t>(extent);
  return (voxels + 7) / 8;
}

}  // namespace bellis
