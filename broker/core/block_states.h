#pragma once

// Two bits for every block of a task, in pages that exist only where work has been and is not yet
// all done: a page that no block has touched and a page of nothing but completed blocks are both
// one shared constant. So memory follows the frontier, not the grid.
//
//     directory -> chunk (1,024 pages) -> page (4,096 blocks, 1 KiB)
//
// Chunks fold in the same way, which lets a search for unfinished blocks skip four million
// completed ones in one step.

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "common/ids.h"

namespace bellis {

enum class BlockState : uint8_t {
  kWaiting = 0,  // for other blocks; or a root that was not handed out yet
  kIssued = 1,   // ready or leased
  kCompleted = 2,
  kDead = 3,  // failed or orphaned
};

class BlockStates {
 public:
  explicit BlockStates(uint64_t num_blocks);
  ~BlockStates();
  BlockStates(BlockStates&&) noexcept;
  BlockStates& operator=(BlockStates&&) noexcept;

  BlockState Get(BlockIndex index) const;
  /// A completed block stays completed (CHECK). Cost: O(1), a page at most is allocated.
  void Set(BlockIndex index, BlockState state);

  /// The highest index in [lo, hi) whose block is not completed; nullopt when there is none.
  /// Cost: a step for 32 blocks, or for a whole page or chunk that is completed or untouched.
  std::optional<BlockIndex> LastUnfinished(BlockIndex lo, BlockIndex hi) const;

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

  uint64_t BlocksInPage(uint64_t page) const;
  uint64_t PagesInChunk(uint64_t chunk) const;
  Page* NewPage();
  void FoldPage(BlockIndex index);
  void Clear();

  uint64_t num_blocks_;
  std::vector<Chunk*> chunks_;      // owned, but for the shared constant
  std::vector<Page*> spare_pages_;  // owned, for the next page that is touched
  size_t bytes_ = 0;
};

}  // namespace bellis
