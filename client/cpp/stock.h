#pragma once

// The blocks that a worker has received and not begun, in the order of their leases. A run of
// blocks stays a run until its blocks are taken, one by one.

#include <deque>
#include <optional>
#include <vector>

#include "bellis/result.h"
#include "common/protocol/messages.h"
#include "common/task/block_tiling.h"

namespace bellis {

class Stock {
 public:
  /// As a welcome says; none: runs do not come.
  Status SetGrid(const std::optional<TaskGrid>& grid);
  bool takes_runs() const { return tiling_.has_value(); }

  /// Errors, with nothing added: a run without a grid, or of blocks that it does not have.
  Status Add(const WorkMsg& work);
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  /// Requires !empty(). Cost: O(rank).
  LeasedBlock TakeFirst();
  void AppendTo(std::vector<HeldLease>* all) const;
  /// Takes out all leases but these. `ours` is sorted.
  void KeepOnly(const std::vector<LeaseId>& ours);
  void Clear() { parts_.clear(), size_ = 0; }

 private:
  struct Part {
    WorkRun run;
    std::optional<LeasedBlock> block;  // it alone, with all that was said of it
  };
  LeasedBlock FirstOf(const Part& part) const;
  void UnfoldAll();

  std::optional<BlockTiling> tiling_;
  std::deque<Part> parts_;
  size_t size_ = 0;  // blocks
};

}  // namespace bellis
