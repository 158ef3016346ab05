#pragma once

// Starts jobs, new or again: the requests submit and retry_failed, and what they wait for.

#include <map>
#include <memory>
#include <optional>
#include <variant>
#include <vector>

#include "broker/core/budget.h"
#include "broker/core/claims.h"
#include "broker/core/core_options.h"
#include "broker/core/durable.h"
#include "broker/core/job_table.h"
#include "broker/core/owners.h"
#include "broker/core/peer_table.h"
#include "broker/core/roster.h"
#include "broker/core/turn.h"
#include "broker/schedule/schedule_build.h"

namespace bellis {

/// Owns the requests whose schedule is built in another thread, and those that wait for a job's
/// progress. Borrows, and may change: the JobTable (jobs begin), all of a Job that runs again, the
/// Roster (the job's workers may hold blocks that the broker does not know of); Claims, Durable;
/// the Turn. Reads the Budget and the PeerTable. Invariant: each entry is removed once, by Built or
/// Loaded, and its client gets an answer.
class Submissions {
 public:
  Submissions(const Owners& own, Claims* claims)
      : options_(own.options),
        turn_(own.turn),
        durable_(own.durable),
        budget_(own.budget),
        jobs_(own.jobs),
        peers_(own.peers),
        roster_(own.roster),
        claims_(*claims) {}

  /// `graph`: the schedule, if another thread has built it.
  void OnSubmit(PeerId peer, SubmitMsg submit, Graph graph = nullptr);
  /// Opens failed blocks again. The schedule of a running job is rebuilt from its completed blocks.
  void OnRetryFailed(PeerId peer, const RetryFailedMsg& retry, Graph graph = nullptr);
  void OnBuilt(Built built);
  void OnLoaded(Loaded loaded);
  /// Makes the schedule of a job, either new or from its progress, and begins the job. Unchanged on
  /// failure.
  Status Schedule(Job& job, const std::vector<TaskProgress>* progress, Graph graph = nullptr);

 private:
  /// An ended job that is to run again, and who asked for it.
  struct Reopening {
    PeerId peer;
    uint64_t req;
    std::optional<JobSpec> spec;  // the newly submitted spec
    bool retry;                   // asked for by retry_failed
    Graph graph = nullptr;        // built elsewhere
  };
  /// A request that waits for a schedule that another thread builds.
  struct Building {
    PeerId peer;
    uint64_t req;
    std::shared_ptr<JobSpec> spec;
    std::variant<SubmitMsg, RetryFailedMsg> asked;  // a submit without its spec
  };

  bool IsBuiltElsewhere(const JobSpec& spec) const;
  void BuildElsewhere(PeerId peer, uint64_t req, std::shared_ptr<JobSpec> spec,
                      std::variant<SubmitMsg, RetryFailedMsg> asked);
  // rerun.cc
  bool SubmitAgain(PeerId peer, SubmitMsg& submit, Job& job, Graph graph);
  bool IsByOtherPrograms(PeerId peer, const SubmitMsg& submit, const Job& job);
  void TakeNewCommands(Job& job, JobSpec spec);
  void Reopen(Job& job, Reopening reopening);
  void StartOver(Job& job, TaskIndex task);

  // Owned.
  std::map<JobNumber, Reopening> reopenings_;
  std::map<uint64_t, Building> builds_;
  uint64_t last_build_ = 0;
  // Borrowed.
  const CoreOptions& options_;
  Turn& turn_;
  Durable& durable_;
  Budget& budget_;
  JobTable& jobs_;
  PeerTable& peers_;
  Roster& roster_;
  Claims& claims_;
};

}  // namespace bellis
