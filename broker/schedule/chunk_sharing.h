#pragma once

// Whether blocks of one task write into one chunk of the storage. Two processes that write into
// one chunk at the same time lose data: each reads the whole chunk, changes its part, and writes
// all of it back.
//
//     chunks      |        |        |        |        |       multiples of chunk_shape, from 0
//     blocks          [  0   ][  1   ][  2   ]                boundary 0|1 is inside a chunk
//
// Arithmetic on one dimension at a time. Blocks at distance 1 share a chunk exactly when some
// boundary between blocks is no multiple of the chunk. Where chunks are larger than blocks, blocks
// further apart share a chunk, too. Conflict keeps apart only blocks that are less than `stride`
// apart in every dimension (conflict_levels.h), and two blocks exactly `stride` apart in one
// dimension have the same level. So two blocks that share a chunk can run at once exactly when, in
// some dimension, two blocks `stride` apart share a chunk. Exclusive mode adds a case. There, two
// blocks exclude each other only when one reads what the other writes, and the context below and
// above may differ. So they can also run at once when, in two dimensions, blocks share a chunk at
// the shorter reach plus one: one block is ahead in one dimension, the other block in the other.

#include <cstdint>
#include <optional>

#include "bellis/job_spec.h"
#include "broker/schedule/block_grid.h"

namespace bellis {

enum class Sharing {
  kNone,    // every boundary between blocks is a boundary of chunks
  kInTurn,  // blocks share a chunk, and never run at the same time
  kAtOnce,  // blocks that may run at the same time share a chunk
};

struct ChunkSharing {
  Sharing sharing = Sharing::kNone;
  // The fields below are not set for kNone.
  int dim = 0;         // the first dimension along which blocks share a chunk in this way
  int64_t first = 0;   // the lowest position, in blocks along `dim`, of a block that shares a chunk
  int64_t second = 0;  // the position of the block that it shares the chunk with
  int64_t boundary = 0;  // where `first` ends: world units
  int64_t chunk = 0;     // shape of a chunk along `dim`
  // The aligned values along `dim` that are nearest to the task's own.
  int64_t write_shape = 0;
  int64_t total_offset = 0;  // of total_roi
  bool operator==(const ChunkSharing&) const = default;
};

/// Requires a task that passed ValidateJob, with a chunk_shape, and its grid. Ignores masks: a
/// block that shares a chunk may be masked. Cost: O(rank log chunk), whatever the grid's size.
ChunkSharing FindChunkSharing(const TaskSpec& task, const BlockGrid& grid);

/// The lowest position k such that blocks k and k + `distance` (>= 1) along dimension `dim` write
/// into one chunk of `chunk` world units; nullopt when there is no such k.
std::optional<int64_t> FirstToShare(const BlockGrid& grid, int dim, int64_t chunk,
                                    int64_t distance);

}  // namespace bellis
