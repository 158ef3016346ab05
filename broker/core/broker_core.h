#pragma once

// The scheduler: jobs, workers, leases, launchers and clients in one deterministic state machine.
//
//     Step(now, event) -> effects
//
// It opens no socket, reads no clock, starts no thread and draws no random number; the same events
// at the same times give the same effects. Step is the only way to change it. One thread.
//
// Cost of a Step: that of the event, plus at most Frontier::kInlineWork units of follow-up work;
// independent of the number of blocks, and of workers but for O(log workers) table look-ups. What
// is left over is announced by Effects::more_work.
//
// Behind it stand objects that own the state, and parts with the rules (engine.h).

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

  /// `now` never goes back. `effects` is cleared first. To be called at Effects::next_deadline at
  /// the latest: when it is not, the broker was stopped (a debugger, a machine that slept), and
  /// that time does not count. Peers were not heard meanwhile, and what they said is yet to be
  /// read.
  void Step(Instant now, Event event, Effects* effects);

  /// The time that counts: that of the last Step, less what the broker stood still.
  Instant now() const;
  /// For tests and summaries, in order of submission.
  std::vector<JobStatus> Jobs(Instant now) const;
  /// The id of the job that this worker works for; empty: no such worker is known.
  std::string JobOfWorker(WorkerId worker) const;
  /// Heap memory of the schedules of the jobs that run (Frontier::bytes).
  size_t schedule_bytes() const;
  /// Counts again what is counted, and ends the program where that differs. Between two Steps. For
  /// tests and the simulator. Cost: O(jobs, tasks and workers).
  void CheckInvariants() const;

 private:
  std::unique_ptr<Engine> engine_;
};

}  // namespace bellis
