#pragma once

// Two bits for every block of a task, in pages that exist only where work has been and is not yet
// all done: a page that no block has touched and a page of nothing but completed blocks are both
// one shared constant. Pages hang in a tree of nodes that fold in the same way, on every level. So
// memory follows the frontier, not the grid: 10^18 blocks of which none was touched take nothing.
//
//     node -> .. -> node (1,024 pages) -> page (4,096 blocks, 1 KiB)
//
// The tree is as high as the grid needs it: one level up to 4 million blocks, two up to 4 * 10^9,
// five up to 2^62. A search for unfinished blocks skips a folded node in one step.
//
// A masked block counts as completed from the start. Where nothing has been touched, the mask is
// asked; a page that is touched is filled from it.

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "broker/schedule/block_mask.h"
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
  /// at lo, or when `*budget`, of which each page or node takes one, is used up; at least one is
  /// searched.
  Search LastUnfinished(BlockIndex lo, BlockIndex hi, int64_t* budget) const;

  struct ForwardSearch {
    std::optional<BlockIndex> found;
    BlockIndex open_lo;  // nothing was found below it
  };
  /// The lowest index in [lo, hi) whose block is not completed; the rest as LastUnfinished.
  ForwardSearch FirstUnfinished(BlockIndex lo, BlockIndex hi, int64_t* budget) const;

  /// Sets a whole run of blocks that nobody has touched. False, with part of it set, when one is
  /// not waiting or lies outside. Cost: O(blocks of the pages that it does not fill + nodes).
  bool SetRun(BlockRun run, BlockState state);
  /// Completed blocks, as runs; masked ones among them where they lie in a page or a node that was
  /// touched. Cost: O(pages + runs), whatever the size of the grid.
  std::vector<BlockRun> CompletedRuns() const;

  /// Heap memory held, in bytes.
  size_t bytes() const { return bytes_; }

 private:
  static constexpr uint64_t kBlocksPerWord = 32;
  static constexpr int kPageBits = 12;  // 4,096 blocks
  static constexpr int kNodeBits = 10;  // 1,024 children
  static constexpr uint64_t kBlocksPerPage = uint64_t{1} << kPageBits;
  static constexpr uint64_t kChildren = uint64_t{1} << kNodeBits;
  static constexpr int kHeightMax = 5;

  struct Page {
    std::array<uint64_t, kBlocksPerPage / kBlocksPerWord> words{};
    uint32_t completed = 0;
  };
  /// At height 1 the children are pages, above they are nodes of the height below.
  struct Node {
    std::array<void*, kChildren> children{};  // nullptr: untouched
    uint32_t completed = 0;                   // children that are folded
  };
  /// What the tree says of the blocks begin .. end-1: nothing (untouched), that all are completed,
  /// or look into the page.
  struct Spot {
    const Page* page = nullptr;
    bool completed = false;
    BlockIndex begin = 0;
    BlockIndex end = 0;
  };
  // The shared constants, by height (0: the page); never written, never deleted.
  static void* Full(int height);
  /// log2 of how many blocks something of that height covers.
  static constexpr int SpanBits(int height) { return kPageBits + kNodeBits * height; }
  static size_t ChildAt(BlockIndex index, int height) {
    return index >> SpanBits(height - 1) & (kChildren - 1);
  }

  static std::optional<BlockIndex> LastUnfinishedInPage(const Page& page, BlockIndex lo,
                                                        BlockIndex hi);
  static std::optional<BlockIndex> FirstUnfinishedInPage(const Page& page, BlockIndex lo,
                                                         BlockIndex hi);
  Spot Find(BlockIndex index) const;
  uint64_t BlocksInPage(uint64_t page) const;
  uint64_t ChildrenOf(BlockIndex index, int height) const;
  Page* NewPage(uint64_t page);
  void** Open(BlockIndex index, int height);
  bool FillFrom(BlockIndex* at, BlockIndex end);
  void Fold(BlockIndex index, int height);
  void Free(void* tree, int height);
  void Clear();

  uint64_t num_blocks_;
  const BlockMask* mask_;           // borrowed
  int height_ = 1;                  // of root_
  void* root_ = nullptr;            // owned, but for the shared constants
  std::vector<Page*> spare_pages_;  // owned, for the next page that is touched
  size_t bytes_ = 0;
};

}  // namespace bellis
