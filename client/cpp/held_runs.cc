#include "client/cpp/held_runs.h"

#include <algorithm>
#include <utility>

#include "common/protocol/messages.h"

namespace bellis {

void HeldRuns::Add(const Run& run) {
  size_ += run.count;
  const auto next =
      runs_.empty() || runs_.back().lease < run.lease
          ? runs_.end()
          : std::lower_bound(runs_.begin(), runs_.end(), run.lease,
                             [](const Run& one, uint64_t lease) { return one.lease < lease; });
  if (next != runs_.begin()) {
    Run& before = *(next - 1);
    if (before.end() == run.lease && before.index + before.count == run.index &&
        before.attempt == run.attempt) {
      before.count += run.count;
      return;
    }
  }
  runs_.insert(next, run);
}

void HeldRuns::Remove(const LeaseRun& leases) {
  const uint64_t begin = leases.lease.value;
  const uint64_t end = begin + leases.count;
  auto run = std::partition_point(runs_.begin(), runs_.end(),
                                  [begin](const Run& one) { return one.end() <= begin; });
  while (run != runs_.end() && run->lease < end) {
    const Run all = *run;
    const uint64_t from = std::max(begin, all.lease);
    const uint64_t to = std::min(end, all.end());
    size_ -= to - from;
    run->count = from - all.lease;  // what is before
    const Run behind{to, all.index + (to - all.lease), all.end() - to, all.attempt};
    if (run->count == 0 && behind.count > 0) {
      *run = behind;
      return;
    }
    run = run->count == 0 ? runs_.erase(run) : run + 1;
    if (behind.count == 0) continue;
    runs_.insert(run, behind);
    return;
  }
}

void HeldRuns::KeepOnly(const std::vector<LeaseId>& ours) {
  HeldRuns kept;
  for (const Run& run : runs_) {
    auto at = std::lower_bound(ours.begin(), ours.end(), LeaseId(run.lease));
    for (; at != ours.end() && at->value < run.end(); ++at) {
      kept.Add({at->value, run.index + (at->value - run.lease), 1, run.attempt});
    }
  }
  *this = std::move(kept);
}

void HeldRuns::AppendTo(std::vector<HeldLease>* all) const {
  for (const Run& run : runs_) {
    for (uint64_t i = 0; i < run.count; ++i) {
      all->push_back({LeaseId(run.lease + i), run.index + i, run.attempt});
    }
  }
}

void HeldRuns::AppendTo(std::vector<LeaseRun>* all) const {
  for (const Run& run : runs_) {
    for (uint64_t at = run.lease; at < run.end(); at += kWantMax) {
      const uint64_t count = std::min<uint64_t>(kWantMax, run.end() - at);
      all->push_back({LeaseId(at), static_cast<uint32_t>(count)});
    }
  }
}

void AddToRuns(LeaseId lease, std::vector<LeaseRun>* runs) {
  const bool follows = !runs->empty() && runs->back().count < kWantMax &&
                       runs->back().lease.value + runs->back().count == lease.value;
  if (!follows) runs->push_back({lease, 0});
  ++runs->back().count;
}

}  // namespace bellis
