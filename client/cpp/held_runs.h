#pragma once

// A set of leases with what a hello says of each, in little memory where leases and indices are
// consecutive: a worker of tiny blocks has thousands that are not stored yet.

#include <cstdint>
#include <vector>

#include "common/protocol/leases.h"

namespace bellis {

class HeldRuns {
 public:
  /// Cost: O(1) for a lease above all others.
  void Add(const HeldLease& held) { Add({held.lease.value, held.index, 1, held.attempt}); }
  void Add(const WorkRun& run) { Add({run.lease.value, run.index, run.count, 1}); }
  /// Takes these leases out, if they are there. Cost: O(log runs) at the ends of a run.
  void Remove(const LeaseRun& leases);
  void Remove(LeaseId lease) { Remove(LeaseRun{lease, 1}); }
  /// Takes out all others. `ours` is sorted.
  void KeepOnly(const std::vector<LeaseId>& ours);
  void Clear() { runs_.clear(), size_ = 0; }

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  void AppendTo(std::vector<HeldLease>* all) const;
  /// Appends the leases as runs that a message may have.
  void AppendTo(std::vector<LeaseRun>* all) const;

 private:
  struct Run {
    uint64_t lease;
    BlockIndex index;
    uint64_t count;
    uint32_t attempt;
    uint64_t end() const { return lease + count; }
  };
  void Add(const Run& run);

  std::vector<Run> runs_;  // by lease
  size_t size_ = 0;        // leases
};

/// Adds the lease to the last of the runs, if it follows it, or as another one.
void AddToRuns(LeaseId lease, std::vector<LeaseRun>* runs);

}  // namespace bellis
