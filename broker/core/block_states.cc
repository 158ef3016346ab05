#include "broker/core/block_states.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "common/check.h"

namespace bellis {
namespace {

constexpr uint64_t kCompletedWord = 0xAAAA'AAAA'AAAA'AAAAull;
constexpr size_t kSparePagesMax = 64;

}  // namespace

BlockStates::BlockStates(uint64_t num_blocks, const BlockMask* mask)
    : num_blocks_(num_blocks),
      mask_(mask),
      chunks_((num_blocks + kBlocksPerChunk - 1) / kBlocksPerChunk) {
  bytes_ = chunks_.size() * sizeof(void*);
}

BlockStates::~BlockStates() { Clear(); }

BlockStates::BlockStates(BlockStates&& other) noexcept
    : num_blocks_(std::exchange(other.num_blocks_, 0)),
      mask_(other.mask_),
      chunks_(std::exchange(other.chunks_, {})),
      spare_pages_(std::exchange(other.spare_pages_, {})),
      bytes_(std::exchange(other.bytes_, 0)) {}

BlockStates& BlockStates::operator=(BlockStates&& other) noexcept {
  std::swap(num_blocks_, other.num_blocks_);
  std::swap(mask_, other.mask_);
  std::swap(chunks_, other.chunks_);
  std::swap(spare_pages_, other.spare_pages_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

BlockStates::Page* BlockStates::AllCompleted() {
  static Page page = [] {
    Page full;
    full.words.fill(kCompletedWord);
    return full;
  }();
  return &page;
}

BlockStates::Chunk* BlockStates::AllCompletedChunk() {
  static Chunk chunk = [] {
    Chunk full;
    full.pages.fill(AllCompleted());
    return full;
  }();
  return &chunk;
}

void BlockStates::Clear() {
  for (Chunk* chunk : chunks_) {
    if (chunk == nullptr || chunk == AllCompletedChunk()) continue;
    for (Page* page : chunk->pages) {
      if (page != AllCompleted()) delete page;
    }
    delete chunk;
  }
  for (Page* page : spare_pages_) delete page;
  chunks_.clear();
  spare_pages_.clear();
}

uint64_t BlockStates::BlocksInPage(uint64_t page) const {
  return std::min(kBlocksPerPage, num_blocks_ - page * kBlocksPerPage);
}

uint64_t BlockStates::PagesInChunk(uint64_t chunk) const {
  const uint64_t blocks = std::min(kBlocksPerChunk, num_blocks_ - chunk * kBlocksPerChunk);
  return (blocks + kBlocksPerPage - 1) / kBlocksPerPage;
}

BlockState BlockStates::Get(BlockIndex index) const {
  const Chunk* chunk = chunks_[index / kBlocksPerChunk];
  const Page* page =
      chunk == nullptr ? nullptr : chunk->pages[index / kBlocksPerPage % kPagesPerChunk];
  if (page == nullptr) {
    const bool masked = mask_ != nullptr && !mask_->Contains(index);
    return masked ? BlockState::kCompleted : BlockState::kWaiting;
  }
  const uint64_t word = page->words[index % kBlocksPerPage / kBlocksPerWord];
  return static_cast<BlockState>(word >> (index % kBlocksPerWord * 2) & 3);
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

void BlockStates::Set(BlockIndex index, BlockState state) {
  Chunk*& chunk = chunks_[index / kBlocksPerChunk];
  BELLIS_CHECK(chunk != AllCompletedChunk(), "a completed block changes its state");
  if (chunk == nullptr) {
    chunk = new Chunk;
    bytes_ += sizeof(Chunk);
  }
  Page*& page = chunk->pages[index / kBlocksPerPage % kPagesPerChunk];
  BELLIS_CHECK(page != AllCompleted(), "a completed block changes its state");
  if (page == nullptr) page = NewPage(index / kBlocksPerPage);
  uint64_t& word = page->words[index % kBlocksPerPage / kBlocksPerWord];
  const uint64_t shift = index % kBlocksPerWord * 2;
  BELLIS_CHECK(static_cast<BlockState>(word >> shift & 3) != BlockState::kCompleted,
               "a completed block changes its state");
  word = (word & ~(uint64_t{3} << shift)) | static_cast<uint64_t>(state) << shift;
  if (state == BlockState::kCompleted) {
    if (++page->completed == BlocksInPage(index / kBlocksPerPage)) FoldPage(index);
  }
}

void BlockStates::FoldPage(BlockIndex index) {
  const uint64_t chunk_number = index / kBlocksPerChunk;
  Chunk*& chunk = chunks_[chunk_number];
  Page*& page = chunk->pages[index / kBlocksPerPage % kPagesPerChunk];
  if (spare_pages_.size() < kSparePagesMax) {
    spare_pages_.push_back(page);
  } else {
    delete page;
    bytes_ -= sizeof(Page);
  }
  page = AllCompleted();
  CountFolded(chunk_number);
}

/// One more page of the chunk is completed.
void BlockStates::CountFolded(uint64_t chunk_number) {
  Chunk*& chunk = chunks_[chunk_number];
  if (++chunk->completed == PagesInChunk(chunk_number)) {
    delete chunk;
    bytes_ -= sizeof(Chunk);
    chunk = AllCompletedChunk();
  }
}

BlockStates::Search BlockStates::LastUnfinished(BlockIndex lo, BlockIndex hi,
                                                int64_t* budget) const {
  // Of blocks that were never touched, the last one that is not masked.
  const auto last_untouched = [&](BlockIndex begin) {
    begin = std::max(begin, lo);
    return mask_ == nullptr ? std::optional(hi - 1) : mask_->Last(begin, hi);
  };
  while (hi > lo) {
    const BlockIndex last = hi - 1;
    const Chunk* chunk = chunks_[last / kBlocksPerChunk];
    const BlockIndex chunk_begin = last / kBlocksPerChunk * kBlocksPerChunk;
    const BlockIndex page_begin = last / kBlocksPerPage * kBlocksPerPage;
    if (chunk == nullptr) {
      if (const auto found = last_untouched(chunk_begin)) return {found, hi};
      hi = chunk_begin;
    } else if (chunk == AllCompletedChunk()) {
      hi = chunk_begin;
    } else if (const Page* page = chunk->pages[last / kBlocksPerPage % kPagesPerChunk];
               page == nullptr) {
      if (const auto found = last_untouched(page_begin)) return {found, hi};
      hi = page_begin;
    } else if (page == AllCompleted()) {
      hi = page_begin;
    } else {
      if (const auto found = LastUnfinishedInPage(*page, std::max(lo, page_begin), hi)) {
        return {found, hi};
      }
      hi = page_begin;
    }
    hi = std::max(hi, lo);
    if (--*budget <= 0) break;
  }
  return {std::nullopt, hi};
}

BlockStates::ForwardSearch BlockStates::FirstUnfinished(BlockIndex lo, BlockIndex hi,
                                                        int64_t* budget) const {
  while (lo < hi) {
    const Chunk* chunk = chunks_[lo / kBlocksPerChunk];
    const BlockIndex chunk_end = (lo / kBlocksPerChunk + 1) * kBlocksPerChunk;
    const BlockIndex page_end = (lo / kBlocksPerPage + 1) * kBlocksPerPage;
    const Page* page =
        chunk == nullptr ? nullptr : chunk->pages[lo / kBlocksPerPage % kPagesPerChunk];
    if (chunk == AllCompletedChunk()) {
      lo = chunk_end;
    } else if (page == nullptr) {
      const BlockIndex end = std::min(hi, chunk == nullptr ? chunk_end : page_end);
      const auto found = mask_ == nullptr ? std::optional(lo) : mask_->First(lo, end);
      if (found) return {found, *found};
      lo = end;
    } else if (page == AllCompleted()) {
      lo = page_end;
    } else {
      const BlockIndex end = std::min(hi, page_end);
      for (; lo < end; lo = (lo / kBlocksPerWord + 1) * kBlocksPerWord) {
        // Bits of blocks that are not completed, at the low bit of each pair; those below off.
        const uint64_t word = page->words[lo % kBlocksPerPage / kBlocksPerWord] ^ kCompletedWord;
        const uint64_t open =
            (word | word >> 1) & 0x5555'5555'5555'5555ull & ~uint64_t{0} << lo % kBlocksPerWord * 2;
        if (open == 0) continue;
        const BlockIndex found = lo / kBlocksPerWord * kBlocksPerWord +
                                 static_cast<uint64_t>(std::countr_zero(open)) / 2;
        if (found < end) return {found, found};
        break;
      }
      lo = end;
    }
    if (--*budget <= 0) break;
  }
  return {std::nullopt, std::min(lo, hi)};
}

bool BlockStates::SetRun(BlockRun run, BlockState state) {
  if (run.begin >= run.end || run.end > num_blocks_) return false;
  for (BlockIndex at = run.begin; at < run.end;) {
    const uint64_t number = at / kBlocksPerPage;
    const BlockIndex page_end = number * kBlocksPerPage + BlocksInPage(number);
    Chunk*& chunk = chunks_[at / kBlocksPerChunk];
    const bool whole = state == BlockState::kCompleted && mask_ == nullptr &&
                       at % kBlocksPerPage == 0 && page_end <= run.end;
    if (whole && (chunk == nullptr || chunk->pages[number % kPagesPerChunk] == nullptr)) {
      if (chunk == nullptr) {
        chunk = new Chunk;
        bytes_ += sizeof(Chunk);
      }
      chunk->pages[number % kPagesPerChunk] = AllCompleted();
      CountFolded(at / kBlocksPerChunk);
      at = page_end;
      continue;
    }
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
    const Chunk* chunk = chunks_[at / kBlocksPerChunk];
    const BlockIndex chunk_end =
        std::min(num_blocks_, (at / kBlocksPerChunk + 1) * kBlocksPerChunk);
    const BlockIndex page_end = std::min(num_blocks_, (at / kBlocksPerPage + 1) * kBlocksPerPage);
    if (chunk == AllCompletedChunk()) {
      add(at, chunk_end);
      at = chunk_end;
    } else if (chunk == nullptr && mask_ == nullptr) {
      at = chunk_end;
    } else {
      for (; at < page_end; ++at) {
        if (Get(at) == BlockState::kCompleted) add(at, at + 1);
      }
    }
  }
  return runs;
}

std::optional<BlockIndex> BlockStates::LastUnfinishedInPage(const Page& page, BlockIndex lo,
                                                            BlockIndex hi) {
  while (hi > lo) {
    const BlockIndex last = hi - 1;
    // Bits of blocks that are not completed, at the low bit of each pair; those past `last` off.
    const uint64_t word = page.words[last % kBlocksPerPage / kBlocksPerWord] ^ kCompletedWord;
    uint64_t open = (word | word >> 1) & 0x5555'5555'5555'5555ull;
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
