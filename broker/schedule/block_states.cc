#include "broker/schedule/block_states.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "common/check.h"

namespace bellis {
namespace {

/// The low bit of the state of each block of a word.
constexpr uint64_t kLowBits = 0x5555'5555'5555'5555ull;
constexpr uint64_t kCompletedWord = 0xAAAA'AAAA'AAAA'AAAAull;
constexpr size_t kSparePagesMax = 64;

}  // namespace

BlockStates::BlockStates(uint64_t num_blocks, const BlockMask* mask)
    : num_blocks_(num_blocks), mask_(mask) {
  while (height_ < kHeightMax && num_blocks > uint64_t{1} << SpanBits(height_)) ++height_;
}

BlockStates::~BlockStates() { Clear(); }

BlockStates::BlockStates(BlockStates&& other) noexcept
    : num_blocks_(std::exchange(other.num_blocks_, 0)),
      mask_(other.mask_),
      height_(std::exchange(other.height_, 1)),
      root_(std::exchange(other.root_, nullptr)),
      spare_pages_(std::exchange(other.spare_pages_, {})),
      bytes_(std::exchange(other.bytes_, 0)) {}

BlockStates& BlockStates::operator=(BlockStates&& other) noexcept {
  std::swap(num_blocks_, other.num_blocks_);
  std::swap(mask_, other.mask_);
  std::swap(height_, other.height_);
  std::swap(root_, other.root_);
  std::swap(spare_pages_, other.spare_pages_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

void* BlockStates::Full(int height) {
  struct Constants {
    Page page;
    std::array<Node, kHeightMax> nodes;
    std::array<void*, kHeightMax + 1> by_height{};
    Constants() {
      page.words.fill(kCompletedWord);
      by_height[0] = &page;
      for (size_t i = 0; i < nodes.size(); ++i) {
        nodes[i].children.fill(by_height[i]);
        by_height[i + 1] = &nodes[i];
      }
    }
  };
  static Constants constants;
  return constants.by_height[static_cast<size_t>(height)];
}

void BlockStates::Clear() {
  Free(root_, height_);
  root_ = nullptr;
  for (Page* page : spare_pages_) delete page;
  spare_pages_.clear();
  bytes_ = 0;
}

void BlockStates::Free(void* tree, int height) {
  if (tree == nullptr || tree == Full(height)) return;
  if (height == 0) {
    delete static_cast<Page*>(tree);
    return;
  }
  Node* node = static_cast<Node*>(tree);
  for (void* child : node->children) Free(child, height - 1);
  delete node;
}

uint64_t BlockStates::BlocksInPage(uint64_t page) const {
  return std::min(kBlocksPerPage, num_blocks_ - page * kBlocksPerPage);
}

/// How many children with blocks the node of that height that covers the block has.
uint64_t BlockStates::ChildrenOf(BlockIndex index, int height) const {
  const BlockIndex begin = index >> SpanBits(height) << SpanBits(height);
  const uint64_t below = uint64_t{1} << SpanBits(height - 1);
  return std::min(kChildren, (num_blocks_ - begin + below - 1) / below);
}

BlockState BlockStates::Get(BlockIndex index) const {
  const void* at = root_;
  for (int height = height_; height > 0 && at != nullptr; --height) {
    at = static_cast<const Node*>(at)->children[ChildAt(index, height)];
  }
  if (at == nullptr) {
    const bool masked = mask_ != nullptr && !mask_->Contains(index);
    return masked ? BlockState::kCompleted : BlockState::kWaiting;
  }
  const uint64_t word =
      static_cast<const Page*>(at)->words[index % kBlocksPerPage / kBlocksPerWord];
  return static_cast<BlockState>(word >> (index % kBlocksPerWord * 2) & 3);
}

BlockStates::Spot BlockStates::Find(BlockIndex index) const {
  const void* at = root_;
  int height = height_;
  while (height > 0 && at != nullptr && at != Full(height)) {
    at = static_cast<const Node*>(at)->children[ChildAt(index, height)];
    --height;
  }
  Spot spot;
  spot.begin = index >> SpanBits(height) << SpanBits(height);
  spot.end = std::min(num_blocks_, spot.begin + (uint64_t{1} << SpanBits(height)));
  spot.completed = at != nullptr && at == Full(height);
  if (height == 0 && !spot.completed) spot.page = static_cast<const Page*>(at);
  return spot;
}

BlockStates::Page* BlockStates::NewPage(uint64_t number) {
  Page* page = nullptr;
  if (spare_pages_.empty()) {
    bytes_ += sizeof(Page);
    page = new Page;
  } else {
    page = spare_pages_.back();
    spare_pages_.pop_back();
    *page = Page{};
  }
  if (mask_ == nullptr) return page;
  page->words.fill(kCompletedWord);
  const BlockIndex begin = number * kBlocksPerPage;
  const BlockIndex end = begin + BlocksInPage(number);
  page->completed = static_cast<uint32_t>(end - begin);
  for (auto at = mask_->First(begin, end); at; at = mask_->First(*at, end)) {
    const BlockIndex run_end = std::min(end, mask_->RunEnd(*at));
    page->completed -= static_cast<uint32_t>(run_end - *at);
    for (; *at < run_end; ++*at) {
      page->words[*at % kBlocksPerPage / kBlocksPerWord] &=
          ~(uint64_t{3} << (*at % kBlocksPerWord * 2));
    }
  }
  return page;
}

/// The address of the pointer to the node or page that covers the block at that height. Makes the
/// nodes above it.
void** BlockStates::Open(BlockIndex index, int height) {
  void** at = &root_;
  for (int above = height_; above > height; --above) {
    BELLIS_CHECK(*at == nullptr || *at != Full(above), "a completed block changes its state");
    if (*at == nullptr) {
      *at = new Node;
      bytes_ += sizeof(Node);
    }
    at = &static_cast<Node*>(*at)->children[ChildAt(index, above)];
  }
  return at;
}

/// The page of a block whose state is to be set.
BlockStates::Page* BlockStates::PageToSet(BlockIndex index) {
  void** at = Open(index, 0);
  BELLIS_CHECK(*at != Full(0), "a completed block changes its state");
  if (*at == nullptr) *at = NewPage(index / kBlocksPerPage);
  return static_cast<Page*>(*at);
}

/// So many more blocks of the page of block `index` are completed.
void BlockStates::CountCompleted(BlockIndex index, uint64_t blocks) {
  void** at = Open(index, 0);
  Page* page = static_cast<Page*>(*at);
  page->completed += static_cast<uint32_t>(blocks);
  if (page->completed < BlocksInPage(index / kBlocksPerPage)) return;
  if (spare_pages_.size() < kSparePagesMax) {
    spare_pages_.push_back(page);
  } else {
    delete page;
    bytes_ -= sizeof(Page);
  }
  *at = nullptr;
  Fold(index, 0);
}

void BlockStates::Set(BlockIndex index, BlockState state) {
  uint64_t& word = PageToSet(index)->words[index % kBlocksPerPage / kBlocksPerWord];
  const uint64_t shift = index % kBlocksPerWord * 2;
  BELLIS_CHECK(static_cast<BlockState>(word >> shift & 3) != BlockState::kCompleted,
               "a completed block changes its state");
  word = (word & ~(uint64_t{3} << shift)) | static_cast<uint64_t>(state) << shift;
  if (state == BlockState::kCompleted) CountCompleted(index, 1);
}

void BlockStates::SetAll(BlockRun run, BlockState state) {
  const uint64_t filled = static_cast<uint64_t>(state) * kLowBits;
  while (run.begin < run.end) {
    Page* page = PageToSet(run.begin);
    const BlockIndex page_end = (run.begin / kBlocksPerPage + 1) * kBlocksPerPage;
    const BlockIndex end = std::min(run.end, page_end);
    for (BlockIndex at = run.begin; at < end;) {
      const uint64_t from = at % kBlocksPerWord;
      const uint64_t count = std::min(end - at, kBlocksPerWord - from);
      const uint64_t ones =
          count == kBlocksPerWord ? ~uint64_t{0} : ((uint64_t{1} << count * 2) - 1) << from * 2;
      uint64_t& word = page->words[at % kBlocksPerPage / kBlocksPerWord];
      BELLIS_CHECK((word >> 1 & ~word & kLowBits & ones) == 0,
                   "a completed block changes its state");
      word = (word & ~ones) | (filled & ones);
      at += count;
    }
    if (state == BlockState::kCompleted) CountCompleted(run.begin, end - run.begin);
    run.begin = end;
  }
}

/// Replaces a page or node of nothing but completed blocks by the shared constant, and then every
/// node above it whose children are now all folded.
void BlockStates::Fold(BlockIndex index, int height) {
  *Open(index, height) = Full(height);
  for (int above = height + 1; above <= height_; ++above) {
    void** at = Open(index, above);
    Node* node = static_cast<Node*>(*at);
    if (++node->completed < ChildrenOf(index, above)) return;
    delete node;
    bytes_ -= sizeof(Node);
    *at = Full(above);
  }
}

BlockStates::Search BlockStates::LastUnfinished(BlockIndex lo, BlockIndex hi,
                                                int64_t* budget) const {
  while (hi > lo) {
    const Spot spot = Find(hi - 1);
    const BlockIndex begin = std::max(lo, spot.begin);
    std::optional<BlockIndex> found;
    if (spot.page != nullptr) {
      found = LastUnfinishedInPage(*spot.page, begin, hi);
    } else if (!spot.completed) {
      found = mask_ == nullptr ? std::optional(hi - 1) : mask_->Last(begin, hi);
    }
    if (found) return {found, hi};
    hi = begin;
    if (--*budget <= 0) break;
  }
  return {std::nullopt, hi};
}

BlockStates::ForwardSearch BlockStates::FirstUnfinished(BlockIndex lo, BlockIndex hi,
                                                        int64_t* budget) const {
  while (lo < hi) {
    const Spot spot = Find(lo);
    const BlockIndex end = std::min(hi, spot.end);
    std::optional<BlockIndex> found;
    if (spot.page != nullptr) {
      found = FirstUnfinishedInPage(*spot.page, lo, end);
    } else if (!spot.completed) {
      found = mask_ == nullptr ? std::optional(lo) : mask_->First(lo, end);
    }
    if (found) return {found, *found};
    lo = end;
    if (--*budget <= 0) break;
  }
  return {std::nullopt, std::min(lo, hi)};
}

/// Marks the largest untouched page or node that begins at `*at` and ends by `end` as completed,
/// and moves `*at` behind it. False, changing nothing, when there is no such page.
bool BlockStates::FillFrom(BlockIndex* at, BlockIndex end) {
  const Spot spot = Find(*at);
  if (mask_ != nullptr || spot.completed || spot.page != nullptr) return false;
  for (int height = height_; height >= 0; --height) {
    const BlockIndex begin = *at >> SpanBits(height) << SpanBits(height);
    const BlockIndex behind = std::min(num_blocks_, begin + (uint64_t{1} << SpanBits(height)));
    if (begin != *at || begin < spot.begin || behind > std::min(end, spot.end)) continue;
    Fold(begin, height);
    *at = behind;
    return true;
  }
  return false;
}

bool BlockStates::SetRun(BlockRun run, BlockState state) {
  if (run.begin >= run.end || run.end > num_blocks_) return false;
  for (BlockIndex at = run.begin; at < run.end;) {
    if (state == BlockState::kCompleted && FillFrom(&at, run.end)) continue;
    const BlockIndex page_end = (at / kBlocksPerPage + 1) * kBlocksPerPage;
    for (const BlockIndex end = std::min(run.end, page_end); at < end; ++at) {
      if (Get(at) != BlockState::kWaiting) return false;
      Set(at, state);
    }
  }
  return true;
}

std::vector<BlockRun> BlockStates::CompletedRuns() const {
  std::vector<BlockRun> runs;
  const auto add = [&runs](BlockIndex begin, BlockIndex end) {
    if (!runs.empty() && runs.back().end == begin) {
      runs.back().end = end;
    } else {
      runs.push_back({begin, end});
    }
  };
  for (BlockIndex at = 0; at < num_blocks_;) {
    const Spot spot = Find(at);
    if (spot.completed) add(at, spot.end);
    for (; spot.page != nullptr && at < spot.end; ++at) {
      if (Get(at) == BlockState::kCompleted) add(at, at + 1);
    }
    at = spot.end;
  }
  return runs;
}

std::optional<BlockIndex> BlockStates::FirstUnfinishedInPage(const Page& page, BlockIndex lo,
                                                             BlockIndex hi) {
  for (; lo < hi; lo = (lo / kBlocksPerWord + 1) * kBlocksPerWord) {
    // The low bit of each pair is set for a block that is not completed; pairs below `lo` are 0.
    const uint64_t word = page.words[lo % kBlocksPerPage / kBlocksPerWord] ^ kCompletedWord;
    const uint64_t open = (word | word >> 1) & kLowBits & ~uint64_t{0} << lo % kBlocksPerWord * 2;
    if (open == 0) continue;
    const BlockIndex found =
        lo / kBlocksPerWord * kBlocksPerWord + static_cast<uint64_t>(std::countr_zero(open)) / 2;
    if (found < hi) return found;
    return std::nullopt;
  }
  return std::nullopt;
}

std::optional<BlockIndex> BlockStates::LastUnfinishedInPage(const Page& page, BlockIndex lo,
                                                            BlockIndex hi) {
  while (hi > lo) {
    const BlockIndex last = hi - 1;
    // The low bit of each pair is set for a block that is not completed; pairs past `last` are 0.
    const uint64_t word = page.words[last % kBlocksPerPage / kBlocksPerWord] ^ kCompletedWord;
    uint64_t open = (word | word >> 1) & kLowBits;
    const uint64_t above = last % kBlocksPerWord * 2 + 2;
    if (above < 64) open &= (uint64_t{1} << above) - 1;
    const BlockIndex word_begin = last / kBlocksPerWord * kBlocksPerWord;
    if (open != 0) {
      const auto bit = static_cast<uint64_t>(63 - std::countl_zero(open));
      const BlockIndex found = word_begin + bit / 2;
      if (found >= lo) return found;
      return std::nullopt;
    }
    hi = word_begin;
  }
  return std::nullopt;
}

}  // namespace bellis
