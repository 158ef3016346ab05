#pragma once

// The blocks of one task that conflict directly with a given block: one of the two blocks reads
// where the other writes. With context up to one block these are the block's 3^d - 1 neighbours.
//
// Usually the levels order all conflicting blocks (conflict_levels.h), and this list is not needed.
// The list is needed where the levels do not suffice: beside masked blocks, and in exclusive mode.

#include "broker/schedule/block_grid.h"
#include "broker/schedule/mutation.h"

namespace bellis {

/// Calls `pred(other)` for each block that conflicts with `k`, in a fixed order, until `pred`
/// returns true. Returns whether it did.
template <typename Pred>
bool AnyConflicting(const BlockGrid& grid, const GridPoint& k, Pred pred) {
  const GridBox writers = grid.WritersOf(grid.ReadRoi(k));
  const GridBox readers = grid.ReadersOf(grid.WriteRoi(k));
  if (!writers.empty()) {
    GridPoint other = writers.lo;
    do {
      if (other != k && pred(other)) return true;
    } while (writers.Next(&other));
  }
  if (!readers.empty() && !Mutated(Mutation::kExclusiveOneWay)) {
    GridPoint other = readers.lo;
    do {
      if (other != k && !writers.Contains(other) && pred(other)) return true;
    } while (readers.Next(&other));
  }
  return false;
}

}  // namespace bellis
