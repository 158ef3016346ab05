#pragma once

// The parts of messages that describe blocks and leases (MESSAGES.md): blocks that are handed out,
// results, and runs of both.
//
// A *run* stands for many blocks in a few bytes: consecutive leases, of blocks with consecutive
// indices. A worker that is given runs knows the grid of its task, and computes the rest.

#include <cstdint>
#include <string>
#include <vector>

#include "bellis/job_spec.h"
#include "bellis/roi.h"
#include "common/ids.h"

namespace bellis {

/// The grid of a task, from which a worker that is given runs computes ROIs and ids of blocks.
struct TaskGrid {
  std::vector<uint64_t> shape;  // blocks along each dimension
  Roi read;                     // of the block at position 0, before it is cut at `total`
  Roi write;
  Roi total;
  Fit fit = Fit::kValid;
  bool operator==(const TaskGrid&) const = default;
};

struct LeasedBlock {
  LeaseId lease;
  BlockIndex index = 0;
  CantorId id = 0;
  Roi read;
  Roi write;
  uint32_t attempt = 1;
  bool operator==(const LeasedBlock&) const = default;
};

/// First attempts at `count` blocks with consecutive indices, whose leases are consecutive, too.
struct WorkRun {
  LeaseId lease;
  BlockIndex index = 0;
  uint32_t count = 0;
  bool operator==(const WorkRun&) const = default;
};

/// A lease that a worker holds, or whose result it keeps until the broker says that the result is
/// committed.
struct HeldLease {
  LeaseId lease;
  BlockIndex index = 0;
  uint32_t attempt = 1;
  bool operator==(const HeldLease&) const = default;
};

/// kReturned: the block was not started. It goes back as it was, and no attempt is counted.
enum class BlockOutcome { kCompleted, kFailed, kReturned };

struct BlockResult {
  LeaseId lease;
  BlockOutcome outcome = BlockOutcome::kCompleted;
  std::string error;  // kFailed: why
  bool operator==(const BlockResult&) const = default;
};

/// The leases `lease`, `lease` + 1, ...: `count` of them.
struct LeaseRun {
  LeaseId lease;
  uint32_t count = 0;
  bool operator==(const LeaseRun&) const = default;
};

}  // namespace bellis
