// Sets of blocks as bytes: a set that was written is read back, and damaged bytes are refused.

#include "broker/journal/block_set.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>

namespace bellis {
namespace {

Group RandomGroup(std::mt19937_64* random) {
  Group group;
  for (uint64_t tasks = (*random)() % 4; tasks > 0; --tasks) {
    Group::Task& task = group.tasks[static_cast<TaskIndex>((*random)() % 1000)];
    for (auto& blocks : task.blocks) {
      const uint64_t spread = (*random)() % 2 == 0 ? 100 : kStoredIndexMax;
      for (uint64_t n = (*random)() % 50; n > 0; --n) blocks.push_back((*random)() % spread);
    }
    for (uint64_t n = (*random)() % 5; n > 0; --n) {
      task.attempts.emplace_back((*random)() % 20, 1 + (*random)() % 3);
    }
  }
  return group;
}

/// The meaning of a set: order does not matter, nor do duplicates; the last attempt of a block
/// counts.
auto Meaning(const Group& group) {
  std::map<std::pair<TaskIndex, int>, std::set<BlockIndex>> blocks;
  std::map<std::pair<TaskIndex, BlockIndex>, uint32_t> attempts;
  for (const auto& [t, task] : group.tasks) {
    for (int kind = 0; kind < Group::kKinds; ++kind) {
      for (const BlockIndex block : task.blocks[static_cast<size_t>(kind)]) {
        blocks[{t, kind}].insert(block);
      }
    }
    for (const auto& [block, failed] : task.attempts) attempts[{t, block}] = failed;
  }
  return std::pair(blocks, attempts);
}

RC_GTEST_PROP(GroupBytes, AreReadAsTheyWereWritten, (uint64_t seed)) {
  std::mt19937_64 random(seed);
  Group group = RandomGroup(&random);
  const auto meant = Meaning(group);
  const auto read = DecodeGroup(EncodeGroup(&group, "here"), "here");
  RC_ASSERT(read.ok());
  RC_ASSERT(Meaning(*read) == meant);
}

RC_GTEST_PROP(GroupBytes, AreRefusedWhenAnyByteIsAnother, (uint64_t seed)) {
  std::mt19937_64 random(seed);
  Group group = RandomGroup(&random);
  group.tasks[0].blocks[0].push_back(7);
  std::string bytes = EncodeGroup(&group, "here");
  const size_t at = random() % bytes.size();
  bytes[at] = static_cast<char>(bytes[at] ^ static_cast<char>(1 + random() % 255));
  RC_ASSERT(!DecodeGroup(bytes, "here").ok());
}

RC_GTEST_PROP(GroupBytes, AreRefusedWhenCutShort, (uint64_t seed)) {
  std::mt19937_64 random(seed);
  Group group = RandomGroup(&random);
  group.tasks[0].blocks[0].push_back(7);
  const std::string bytes = EncodeGroup(&group, "here");
  RC_ASSERT(!DecodeGroup(std::string_view(bytes).substr(0, random() % bytes.size()), "here").ok());
}

ChunkBits RandomBits(std::mt19937_64* random) {
  ChunkBits bits(kChunkBlocks / 64);
  const int shape = static_cast<int>((*random)() % 4);
  if (shape == 0) return bits;
  if (shape == 1) {
    for (uint64_t& word : bits) word = (*random)();
    return bits;
  }
  for (int runs = static_cast<int>((*random)() % 20); runs >= 0; --runs) {
    const uint64_t begin = (*random)() % kChunkBlocks;
    const uint64_t end = std::min(kChunkBlocks, begin + 1 + (*random)() % (shape == 2 ? 3 : 99999));
    for (uint64_t i = begin; i < end; ++i) bits[i / 64] |= uint64_t{1} << i % 64;
  }
  if (shape == 3) bits.back() |= uint64_t{1} << 63;
  return bits;
}

RC_GTEST_PROP(ChunkBytes, AreReadAsTheyWereWritten, (uint64_t seed)) {
  std::mt19937_64 random(seed);
  const ChunkBits bits = RandomBits(&random);
  const std::string bytes = EncodeChunk(bits, "here");
  RC_ASSERT(bytes.size() <= kChunkBlocks / 8 + 16);
  const auto read = DecodeChunk(bytes, "here");
  RC_ASSERT(read.ok());
  RC_ASSERT(*read == bits);
}

RC_GTEST_PROP(ChunkBytes, AreRefusedWhenAnyByteIsAnother, (uint64_t seed)) {
  std::mt19937_64 random(seed);
  std::string bytes = EncodeChunk(RandomBits(&random), "here");
  const size_t at = random() % bytes.size();
  bytes[at] = static_cast<char>(bytes[at] ^ static_cast<char>(1 + random() % 255));
  RC_ASSERT(!DecodeChunk(bytes, "here").ok());
}

RC_GTEST_PROP(Runs, AreTheBits, (uint64_t seed)) {
  std::mt19937_64 random(seed);
  const ChunkBits bits = RandomBits(&random);
  std::vector<BlockRun> runs;
  AppendRuns(bits, 5 * kChunkBlocks, &runs);
  ChunkBits again(kChunkBlocks / 64);
  BlockIndex before = 0;
  for (const BlockRun& run : runs) {
    RC_ASSERT(run.begin < run.end);
    RC_ASSERT(before == 0 || run.begin > before);  // runs do not even touch
    before = run.end;
    for (BlockIndex i = run.begin - 5 * kChunkBlocks; i < run.end - 5 * kChunkBlocks; ++i) {
      again[i / 64] |= uint64_t{1} << i % 64;
    }
  }
  RC_ASSERT(again == bits);
}

TEST(ChunkBytes, AreRefusedAtAnotherPlace) {
  const std::string bytes =
      EncodeChunk(ChunkBits(kChunkBlocks / 64), ChunkPlace(JobNumber(1), 2, 0, 3));
  EXPECT_TRUE(DecodeChunk(bytes, ChunkPlace(JobNumber(1), 2, 0, 3)).ok());
  EXPECT_FALSE(DecodeChunk(bytes, ChunkPlace(JobNumber(1), 2, 1, 3)).ok());
}

TEST(Runs, ContinueOverTheEdgeOfAChunk) {
  ChunkBits bits(kChunkBlocks / 64);
  bits.back() = uint64_t{1} << 63;
  std::vector<BlockRun> runs;
  AppendRuns(bits, 0, &runs);
  bits.back() = 0;
  bits.front() = 3;
  AppendRuns(bits, kChunkBlocks, &runs);
  EXPECT_EQ(runs, (std::vector<BlockRun>{{kChunkBlocks - 1, kChunkBlocks + 2}}));
}

}  // namespace
}  // namespace bellis
