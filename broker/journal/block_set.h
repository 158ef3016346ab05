#pragma once

// Sets of blocks as bytes (FORMAT.md "Blobs"). Decoding checks the checksum in front, and that
// every number is within bounds. Anything else is an error, never a guess.
//
//   group    what one commit adds: sorted indices, per task and kind
//   chunk 2^20 neighbouring blocks of a task, as runs or as bits, whichever is smaller

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bellis/result.h"
#include "broker/core/record.h"

namespace bellis {

/// Row-major indices fit in 62 bits; a larger number is damage.
inline constexpr uint64_t kStoredIndexMax = uint64_t{1} << 62;
inline constexpr uint64_t kChunkBlocks = uint64_t{1} << 20;
using ChunkBits = std::vector<uint64_t>;  // kChunkBlocks / 64 words; bit i % 64 of word i / 64

/// The blocks that one commit adds to one job.
struct Group {
  enum Kind : uint8_t { kCompleted, kSkipped, kFailed, kKinds };
  struct Task {
    std::array<std::vector<BlockIndex>, kKinds> blocks;     // sorted by Encode
    std::vector<std::pair<BlockIndex, uint32_t>> attempts;  // failed so far, not final
    bool operator==(const Task&) const = default;
  };
  std::map<TaskIndex, Task> tasks;
  bool operator==(const Group&) const = default;
};

/// The checksum covers `place`, too: it does not match if a damaged key leads to the bytes of
/// another place.
std::string EncodeGroup(Group* group, std::string_view place);
Result<Group> DecodeGroup(std::string_view bytes, std::string_view place);

std::string EncodeChunk(const ChunkBits& bits, std::string_view place);
Result<ChunkBits> DecodeChunk(std::string_view bytes, std::string_view place);

/// The places of a row of the table `groups`, and of a row of the table `chunks`.
std::string GroupPlace(JobNumber job);
std::string ChunkPlace(JobNumber job, TaskIndex task, int kind, uint64_t chunk);

/// Appends the runs of a chunk that begins at block `base` to `*runs`.
void AppendRuns(const ChunkBits& bits, BlockIndex base, std::vector<BlockRun>* runs);

}  // namespace bellis
