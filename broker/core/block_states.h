#pragma once

// Two bits for every block of a task, in pages that exist only where work has been and is not yet
// all done: a page that no block has touched and a page of nothing but completed blocks are both
// one shared constant. So memory follows the frontier, not the grid.
//
//     directory -> chunk (1,024 pages) -> page (4,096 blocks, 1 KiB)
//
// Chunks fold in the same way, which lets a search for unfinished blocks skip four million
// completed ones in one step.
//
// A masked block counts as completed from the start. Where nothing has been touched, the mask is
// asked; a page that is touched is filled from it.

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "broker/core/block_mask.h"
#include "common/ids.h"

namespace bellis {

/// Blocks begin .. end-1.
struct BlockRun {
  BlockIndex begin = 0;
  BlockIndex end = 0;
  bool operator==(const BlockRun&) const = default;
};

enum class BlockState : uint8_t {
  kWaiting = 0,  // for other blocks; or a root that was not handed out yet
  kIssued = 1,   // ready or leased
  kCompleted = 2,
  kDead = 3,  // failed or orphaned
};

class BlockStates {
 public:
  /// `mask`, if any, outlives the states.
  explicit BlockStates(uint64_t num_blocks, const BlockMask* mask = nullptr);
  ~BlockStates();
  BlockStates(BlockStates&&) noexcept;
  BlockStates& operator=(BlockStates&&) noexcept;

  BlockState Get(BlockIndex index) const;
  /// A completed block stays completed (CHECK). Cost: O(1), a page at most is allocated.
  void Set(BlockIndex index, BlockState state);

  struct Search {
    std::optional<BlockIndex> found;
    BlockIndex open_hi;  // nothing was found at or above it; what lies below is yet to be searched
  };
  /// The highest index in [lo, hi) whose block is not completed. The search ends without result
  /// at lo, or when `*budget`, of which each page or chunk takes one, is used up; at least one is
  /// searched.
  Search LastUnfinished(BlockIndex lo, BlockIndex hi, int64_t* budget) const;

  struct ForwardSearch {
    std::optional<BlockIndex> found;
    BlockIndex open_lo;  // nothing was found below it
  };
  /// The lowest index in [lo, hi) whose block is not completed; the rest as LastUnfinished.
  ForwardSearch FirstUnfinished(BlockIndex lo, BlockIndex hi, int64_t* budget) const;

  /// Sets a whole run of blocks that nobody has touched. False, with part of it set, when one is
  /// not waiting or lies outside. Cost: O(blocks of the pages that it does not fill + chunks).
  bool SetRun(BlockRun run, BlockState state);
  /// Completed and masked blocks, as runs. Cost: O(pages + runs).
  std::vector<BlockRun> CompletedRuns() const;

  /// Heap memory held, in bytes.
  size_t bytes() const { return bytes_; }

 private:
  static constexpr uint64_t kBlocksPerWord = 32;
  static constexpr uint64_t kBlocksPerPage = 4096;
  static constexpr uint64_t kPagesPerChunk = 1024;
  static constexpr uint64_t kBlocksPerChunk = kBlocksPerPage * kPagesPerChunk;

  struct Page {
    std::array<uint64_t, kBlocksPerPage / kBlocksPerWord> words{};
    uint32_t completed = 0;
  };
  struct Chunk {
    std::array<Page*, kPagesPerChunk> pages{};  // nullptr: untouched
    uint32_t completed = 0;                     // pages folded into AllCompleted()
  };
  // The shared constants; never written, never deleted.
  static Page* AllCompleted();
  static Chunk* AllCompletedChunk();

  static std::optional<BlockIndex> LastUnfinishedInPage(const Page& page, BlockIndex lo,
                                                        BlockIndex hi);
  uint64_t BlocksInPage(uint64_t page) const;
  uint64_t PagesInChunk(uint64_t chunk) const;
  Page* NewPage(uint64_t page);
  void FoldPage(BlockIndex index);
  void CountFolded(uint64_t chunk);
  void Clear();

  uint64_t num_blocks_;
  const BlockMask* mask_;           // borrowed
  std::vector<Chunk*> chunks_;      // owned, but for the shared constant
  std::vector<Page*> spare_pages_;  // owned, for the next page that is touched
  size_t bytes_ = 0;
};

}  // namespace bellis
