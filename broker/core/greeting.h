#pragma once

// Peers say hello and ping. The steps of a worker's hello: find out which worker it is (Admit),
// make an entry for a new one (Adopt), bind the connection (Introduce), answer (Welcome), and write
// the session to disk (Record). After that the worker may be given blocks.
//
// A worker that a launcher started has a place (roster.h). Its process, or those that it starts,
// may open several connections. The first connection has the number of the place. Each further
// connection that exists at the same time has a number and leases of its own. A hello never ends
// the leases of another connection, because the process that holds them may be alive.
//
//   place 3 <- hello {worker 3, session 11}    it has the place: worker 3
//           <- hello {worker 3, session 12}    a further connection: worker 8, of place 3

#include <optional>
#include <vector>

#include "broker/core/claims.h"
#include "broker/core/core_options.h"
#include "broker/core/durable.h"
#include "broker/core/job_table.h"
#include "broker/core/launcher_links.h"
#include "broker/core/launcher_table.h"
#include "broker/core/losses.h"
#include "broker/core/owners.h"
#include "broker/core/peer_table.h"
#include "broker/core/roster.h"
#include "broker/core/turn.h"

namespace bellis {

/// Owns nothing. Borrows, and may change: the PeerTable (roles), the Roster (workers connect and
/// reconnect); Claims (their leases), Durable (sessions, hellos that wait); Losses and
/// LauncherLinks; the Turn.
class Greeting {
 public:
  Greeting(const Owners& own, Claims* claims, LauncherLinks* launcher_links, Losses* losses)
      : options_(own.options),
        turn_(own.turn),
        durable_(own.durable),
        jobs_(own.jobs),
        peers_(own.peers),
        launchers_(own.launchers),
        roster_(own.roster),
        claims_(*claims),
        launcher_links_(*launcher_links),
        losses_(*losses) {}

  void OnHello(PeerId peer, const HelloMsg& hello);
  void OnPing(PeerId peer, const PingMsg& ping);
  /// A worker's session is durable.
  void Do(const SessionIsDurable& session);

 private:
  /// The worker that a hello comes from.
  struct Admission {
    Job* job = nullptr;
    TaskIndex task = 0;
    Worker* known = nullptr;  // nullptr: a new worker
  };

  // hello.cc
  void HelloWorker(PeerId peer, const HelloMsg& hello);
  std::optional<Admission> Admit(PeerId peer, const HelloMsg& hello);
  Job* JobForWorker(PeerId peer, const HelloMsg& hello, TaskIndex* task);
  bool IsConnectionOf(const Worker& worker, PeerId peer, const HelloMsg& hello) const;
  Worker* SaysItAgain(PeerId peer, const HelloMsg& hello);
  Worker* KnownWorker(PeerId peer, const HelloMsg& hello, const Job& job, TaskIndex task);
  bool IsSuperseded(const HelloMsg& hello);
  bool RefuseWorker(PeerId peer, const HelloMsg& hello, const Job& job, TaskIndex task,
                    const Worker* known);
  bool WaitsForDisk(PeerId peer, const HelloMsg& hello, const Worker* known);
  Worker* Adopt(PeerId peer, const HelloMsg& hello, Job& job, TaskIndex task);
  Worker* Enter(const HelloMsg& hello, Job& job, TaskIndex task, Worker* place);
  void Introduce(Worker& worker, PeerId peer, const HelloMsg& hello);
  // welcome.cc
  void HelloPulse(PeerId peer, const HelloMsg& hello);
  void Welcome(Worker& worker, std::vector<LeaseId> held);
  void WelcomeBack(Worker& worker, const HelloMsg& hello);
  void Record(Worker& worker);
  void MayHaveBlocks(Worker& worker);

  // Borrowed.
  const CoreOptions& options_;
  Turn& turn_;
  Durable& durable_;
  JobTable& jobs_;
  PeerTable& peers_;
  LauncherTable& launchers_;
  Roster& roster_;
  Claims& claims_;
  LauncherLinks& launcher_links_;
  Losses& losses_;
};

}  // namespace bellis
