#pragma once

// Whether blocks of one task write into one chunk of the storage. Two processes that write into
// one chunk at the same time lose data: each reads the whole chunk, changes its part, and writes
// all of it back.
//
//     chunks      |        |        |        |        |       multiples of chunk_shape, from 0
//     blocks          [  0   ][  1   ][  2   ]                boundary 0|1 is inside a chunk
//
// Arithmetic on one dimension at a time. Blocks at distance 1 share a chunk exactly when some
// boundary between blocks is no multiple of the chunk; where chunks are larger than blocks, blocks
// further apart share one, too. What keeps two blocks from running at once reaches `stride` blocks
// far (conflict_levels.h), and two blocks that are exactly `stride` apart in one dimension are of
// one level. So two blocks that share a chunk can run at once exactly when in some dimension two
// blocks `stride` apart share one. In exclusive mode, where only those exclude each other of which
// one reads what the other writes, and context below and above may differ: also when in two
// dimensions blocks share one at the shorter reach plus one (one ahead here, the other there).

#include <cstdint>
#include <optional>

#include "broker/schedule/block_grid.h"
#include "common/task/job_spec.h"

namespace bellis {

enum class Sharing {
  kNone,    // every boundary between blocks is a boundary of chunks
  kInTurn,  // blocks share a chunk, and never run at the same time
  kAtOnce,  // blocks that may run at the same time share a chunk
};

struct ChunkSharing {
  Sharing sharing = Sharing::kNone;
  // Of the rest, nothing is set for kNone.
  int dim = 0;           // the first dimension where it goes wrong
  int64_t first = 0;     // the lowest position, in blocks along `dim`, of a block that shares
  int64_t second = 0;    // with this one
  int64_t boundary = 0;  // where `first` ends: world units
  int64_t chunk = 0;     // shape of a chunk along `dim`
  // What would be aligned along `dim`, nearest to what is asked for.
  int64_t write_shape = 0;
  int64_t total_offset = 0;  // of total_roi
  bool operator==(const ChunkSharing&) const = default;
};

/// Requires a task that passed ValidateJob, with a chunk_shape, and its grid. Masks are not looked
/// at: a block that shares may be masked. Cost: O(rank log chunk), independent of the grid's size.
ChunkSharing FindChunkSharing(const TaskSpec& task, const BlockGrid& grid);

/// The lowest position k such that blocks k and k + `distance` (>= 1) along dimension `dim` write
/// into one chunk of `chunk` world units; nullopt when there is none.
std::optional<int64_t> FirstToShare(const BlockGrid& grid, int dim, int64_t chunk,
                                    int64_t distance);

}  // namespace bellis
