#pragma once

// The blocks of one task that conflict with a block directly: of which one reads where the other
// writes. With context up to one block these are its 3^d - 1 neighbours.
//
// The levels order them all while blocks are satisfied in order (conflict_levels.h), so they are
// asked for only where that does not hold: beside masked blocks, and in exclusive mode.

#include "broker/schedule/block_grid.h"
#include "broker/schedule/mutation.h"

namespace bellis {

/// Calls `pred(k)` for each until it answers true; whether it did. In a fixed order.
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
