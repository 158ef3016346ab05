#pragma once

// Two bits for every block of a task, in pages that exist only where some blocks have been touched
// and not all are completed. An untouched page takes no memory, and all pages of nothing but
// completed blocks share one constant. Pages are the leaves of a tree whose nodes fold in the same
// way on every level. So memory depends on the frontier and not on the grid: 10^18 untouched blocks
// take none.
//
//     node -> .. -> node (1,024 pages) -> page (4,096 blocks, 1 KiB)
//
// The height of the tree depends on the grid: one level up to 4 million blocks, two up to 4 * 10^9,
// five up to 2^62. A search for unfinished blocks skips a folded node in one step.
//
// A masked block counts as completed from the start. The state of a block in an untouched page is
// read from the mask; when a page is first touched, it is filled from the mask.

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
  kWaiting = 0,  // waits for other blocks, or is a root that was not handed out yet
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
  /// A completed block stays completed (CHECK). Cost: O(1); allocates one page at most.
  void Set(BlockIndex index, BlockState state);

  /// Sets the state of all blocks of a run, none of which is completed (CHECK). Cost: O(pages +
  /// words of 32 blocks).
  void SetAll(BlockRun run, BlockState state);

  struct Search {
    std::optional<BlockIndex> found;
    BlockIndex open_hi;  // searched without result from here up; not searched below
  };
  /// The highest index in [lo, hi) whose block is not completed. Each searched page or node takes
  /// one from `*budget`. The search ends without result at lo, or when the budget is used up; it
  /// always searches at least one page or node.
  Search LastUnfinished(BlockIndex lo, BlockIndex hi, int64_t* budget) const;

  struct ForwardSearch {
    std::optional<BlockIndex> found;
    BlockIndex open_lo;  // searched without result below here
  };
  /// The lowest index in [lo, hi) whose block is not completed. `budget` as in LastUnfinished.
  ForwardSearch FirstUnfinished(BlockIndex lo, BlockIndex hi, int64_t* budget) const;

  /// Sets the state of a run of untouched blocks. False, with part of the run set, if a block is
  /// not waiting or lies outside the grid. Cost: O(blocks in pages that the run covers in part +
  /// nodes).
  bool SetRun(BlockRun run, BlockState state);
  /// Completed blocks, as runs. Masked blocks are included where they lie in a page or node that
  /// was touched. Cost: O(pages + runs), whatever the size of the grid.
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
  /// At height 1 the children are pages. Higher up they are nodes of the height below.
  struct Node {
    std::array<void*, kChildren> children{};  // nullptr: untouched
    uint32_t completed = 0;                   // children that are folded
  };
  /// The state of the blocks begin .. end-1 in the tree: all untouched (no page, not `completed`),
  /// all completed, or as `page` says.
  struct Spot {
    const Page* page = nullptr;
    bool completed = false;
    BlockIndex begin = 0;
    BlockIndex end = 0;
  };
  // The shared constants, by height (0: the page); never written, never deleted.
  static void* Full(int height);
  /// log2 of how many blocks a page (height 0) or a node of that height covers.
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
  Page* PageToSet(BlockIndex index);
  void CountCompleted(BlockIndex index, uint64_t blocks);
  void Free(void* tree, int height);
  void Clear();

  uint64_t num_blocks_;
  const BlockMask* mask_;           // borrowed
  int height_ = 1;                  // of root_
  void* root_ = nullptr;            // owned, except for the shared constants
  std::vector<Page*> spare_pages_;  // owned, for the next page that is touched
  size_t bytes_ = 0;
};

}  // namespace bellis
