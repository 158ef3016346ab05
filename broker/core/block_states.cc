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

BlockStates::BlockStates(uint64_t num_blocks)
    : num_blocks_(num_blocks), chunks_((num_blocks + kBlocksPerChunk - 1) / kBlocksPerChunk) {
  bytes_ = chunks_.size() * sizeof(void*);
}

BlockStates::~BlockStates() { Clear(); }

BlockStates::BlockStates(BlockStates&& other) noexcept
    : num_blocks_(std::exchange(other.num_blocks_, 0)),
      chunks_(std::exchange(other.chunks_, {})),
      spare_pages_(std::exchange(other.spare_pages_, {})),
      bytes_(std::exchange(other.bytes_, 0)) {}

BlockStates& BlockStates::operator=(BlockStates&& other) noexcept {
  std::swap(num_blocks_, other.num_blocks_);
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
  if (chunk == nullptr) return BlockState::kWaiting;
  const Page* page = chunk->pages[index / kBlocksPerPage % kPagesPerChunk];
  if (page == nullptr) return BlockState::kWaiting;
  const uint64_t word = page->words[index % kBlocksPerPage / kBlocksPerWord];
  return static_cast<BlockState>(word >> (index % kBlocksPerWord * 2) & 3);
}

BlockStates::Page* BlockStates::NewPage() {
  if (spare_pages_.empty()) {
    bytes_ += sizeof(Page);
    return new Page;
  }
  Page* page = spare_pages_.back();
  spare_pages_.pop_back();
  *page = Page{};
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
  if (page == nullptr) page = NewPage();
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
  if (++chunk->completed == PagesInChunk(chunk_number)) {
    delete chunk;
    bytes_ -= sizeof(Chunk);
    chunk = AllCompletedChunk();
  }
}

std::optional<BlockIndex> BlockStates::LastUnfinished(BlockIndex lo, BlockIndex hi) const {
  while (hi > lo) {
    const BlockIndex last = hi - 1;
    const Chunk* chunk = chunks_[last / kBlocksPerChunk];
    if (chunk == nullptr) return last;
    if (chunk == AllCompletedChunk()) {
      hi = last / kBlocksPerChunk * kBlocksPerChunk;
      continue;
    }
    const Page* page = chunk->pages[last / kBlocksPerPage % kPagesPerChunk];
    if (page == nullptr) return last;
    if (page == AllCompleted()) {
      hi = last / kBlocksPerPage * kBlocksPerPage;
      continue;
    }
    // Bits of blocks that are not completed, at the low bit of each pair; those past `last` off.
    const uint64_t word = page->words[last % kBlocksPerPage / kBlocksPerWord] ^ kCompletedWord;
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
