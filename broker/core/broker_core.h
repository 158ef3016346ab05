#pragma once

// The scheduler: jobs, workers, leases, launchers and clients in one deterministic state machine.
//
//     Step(now, event) -> effects
//
// The core opens no socket, reads no clock, starts no thread and draws no random number; the same
// events at the same times give the same effects. Step is the only way to change its state. One
// thread.
//
// Cost of a Step: that of the event, plus at most Frontier::kInlineWork units of follow-up work. It
// does not depend on the number of blocks, and depends on the number of workers only by O(log
// workers) table look-ups. Effects::more_work says that follow-up work is left.
//
// Internally the core consists of objects that own the state, and parts that hold the rules
// (engine.h).

#include <memory>
#include <string>
#include <vector>

#include "bellis/job_status.h"
#include "broker/core/core_options.h"
#include "broker/core/effect.h"
#include "broker/core/event.h"
#include "common/ids.h"
#include "common/time.h"

namespace bellis {

class Engine;

class BrokerCore {
 public:
  explicit BrokerCore(CoreOptions options = {});
  ~BrokerCore();
  BrokerCore(const BrokerCore&) = delete;
  BrokerCore& operator=(const BrokerCore&) = delete;

  /// `now` never goes back. What `event` holds may be moved from. `effects` is cleared first. Must
  /// be called at Effects::next_deadline at the latest. A later call means that the broker was
  /// stopped (by a debugger, or because the machine slept); that time does not count, since the
  /// broker read no messages meanwhile.
  void Step(Instant now, Event&& event, Effects* effects);

  /// The broker's time: that of the last Step, minus the time for which the broker stood still.
  Instant now() const;
  /// For tests and summaries, in order of submission.
  std::vector<JobStatus> Jobs(Instant now) const;
  /// The id of the job that this worker works for; empty if the broker does not know the worker.
  std::string JobOfWorker(WorkerId worker) const;
  /// Heap memory of the schedules of the jobs that run (Frontier::bytes).
  size_t schedule_bytes() const;
  /// Recounts everything that has a counter, and ends the program where a counter is wrong. Call it
  /// between two Steps. For tests and the simulator. Cost: O(jobs, tasks and workers).
  void CheckInvariants() const;

 private:
  std::unique_ptr<Engine> engine_;
};

}  // namespace bellis
