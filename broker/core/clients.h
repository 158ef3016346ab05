#pragma once

// Clients' requests about jobs that the broker knows: status, cancel, watch, pause, resume,
// set_workers.

#include <string>
#include <vector>

#include "broker/core/core_options.h"
#include "broker/core/durable.h"
#include "broker/core/endings.h"
#include "broker/core/job_table.h"
#include "broker/core/orders.h"
#include "broker/core/owners.h"
#include "broker/core/peer_table.h"
#include "broker/core/roster.h"
#include "broker/core/turn.h"
#include "broker/core/watches.h"

namespace bellis {

/// Owns nothing. Borrows, and may change: the Watches, a job's spec (steering), GroupRun; Endings
/// (cancel), Orders (surplus workers are drained), Durable; the Turn.
class Clients {
 public:
  Clients(const Owners& own, Orders* orders, Endings* endings)
      : options_(own.options),
        turn_(own.turn),
        durable_(own.durable),
        jobs_(own.jobs),
        watches_(own.watches),
        peers_(own.peers),
        roster_(own.roster),
        orders_(*orders),
        endings_(*endings) {}

  void OnStatus(PeerId peer, const StatusMsg& status);
  void OnCancel(PeerId peer, const CancelMsg& cancel);
  void OnWatch(PeerId peer, const WatchMsg& watch);
  /// A kWatch timer has fired: tells the watcher of progress, if there is any.
  void WatchDue(uint64_t id);

  // Steering changes the job's spec. The changed spec is kept on disk, so that it holds after a
  // restart.
  void OnPause(PeerId peer, const PauseMsg& pause);
  void OnResume(PeerId peer, const ResumeMsg& resume);
  void OnSetWorkers(PeerId peer, const SetWorkersMsg& set);

 private:
  enum class Pausing { kPause, kResume };
  void SetPaused(PeerId peer, const PauseMsg& which, Pausing pausing);
  Job* JobToSteer(PeerId peer, const std::string& what, const std::string& id,
                  const std::string& task, uint64_t req, std::vector<TaskIndex>* tasks);
  void Steered(PeerId peer, Job& job, const std::vector<TaskIndex>& tasks, uint64_t req);
  void DrainSurplus(Job& job, TaskIndex task, size_t group);

  // Borrowed.
  const CoreOptions& options_;
  Turn& turn_;
  Durable& durable_;
  JobTable& jobs_;
  Watches& watches_;
  PeerTable& peers_;
  Roster& roster_;
  Orders& orders_;
  Endings& endings_;
};

}  // namespace bellis
