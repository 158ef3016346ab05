#pragma once

// The whole core: objects that own the state ("owners"), parts that hold the rules, and the code
// that passes each event to its part. A part uses owners and the parts above it in this list, and
// none below it: so there are no circles.
//
//     owners     Turn  Durable  Budget  JobTable  Watches  PeerTable  LauncherTable  Roster
//                  |
//     workers Orders messages to workers and launchers
//                Results results of blocks take effect
//                LostLeases       which block a lost worker died of
//                Claims           what workers hold after a restart
//                Exits            processes end; who is replaced
//                LauncherLinks    launchers here, away, lost
//                Losses           connections break, leases end
//                Greeting         who says hello
//     jobs       Dispatcher       who gets which block
//                Staffing         how many processes there are
//                Endings          tasks and jobs end
//                Submissions      jobs come in, and run again
//     requests   Clients, Recovery, Explainer

#include <string>

#include "broker/core/budget.h"
#include "broker/core/claims.h"
#include "broker/core/clients.h"
#include "broker/core/core_options.h"
#include "broker/core/dispatch.h"
#include "broker/core/durable.h"
#include "broker/core/effect.h"
#include "broker/core/endings.h"
#include "broker/core/event.h"
#include "broker/core/exits.h"
#include "broker/core/explain.h"
#include "broker/core/greeting.h"
#include "broker/core/job_table.h"
#include "broker/core/launcher_links.h"
#include "broker/core/launcher_table.h"
#include "broker/core/losses.h"
#include "broker/core/lost_leases.h"
#include "broker/core/orders.h"
#include "broker/core/owners.h"
#include "broker/core/peer_table.h"
#include "broker/core/recovery.h"
#include "broker/core/results.h"
#include "broker/core/roster.h"
#include "broker/core/staffing.h"
#include "broker/core/submissions.h"
#include "broker/core/turn.h"
#include "broker/core/watches.h"

namespace bellis {

class Engine {
 public:
  explicit Engine(CoreOptions options);
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  /// As BrokerCore::Step; `event` is moved from.
  void Step(Instant now, Event& event, Effects* effects);
  /// As BrokerCore::CheckInvariants.
  void CheckInvariants() const;

  const Turn& turn() const { return turn_; }
  const JobTable& jobs() const { return jobs_; }
  const Roster& roster() const { return roster_; }

 private:
  Owners All() {
    return {options_, turn_, durable_, budget_, jobs_, watches_, peers_, launchers_, roster_};
  }

  // engine.cc: an event, by its kind; a message, by the role of its peer; a timer, by its kind.
  void Hear(Event& event);
  void OnMessage(PeerId peer, Message& message);
  void FromWorker(Worker& worker, Message& message);
  void OnRelease(Worker& worker, const ReleaseMsg& release);
  void FromClient(PeerId peer, Message& message);
  void FromLauncher(PeerId peer, Message& message);
  void RefuseRole(PeerId peer, Role role, const Message& message);
  void OnBye(PeerId peer, const ByeMsg& bye);
  void OnPeerGone(const PeerGone& gone);
  void OnShutDown(const std::string& reason);
  void OnCommitted(const Committed& committed);
  void Do(AfterCommit what);
  void OnTimer(const Timer& timer);
  void OnWorkerTimer(const Timer& timer, Worker& worker);

  // settle.cc: finishes everything that the event touched.
  void Settle();
  void SettleJob(Job& job);
  void SettleTask(Job& job, TaskIndex task);
  void SettleSerial(Job& job);

  // invariants.cc
  void CheckTask(const Job& job, TaskIndex task) const;

  // Fixed.
  const CoreOptions options_;
  std::vector<TaskIndex> settling_;  // SettleJob's; kept for its memory
  // Owners.
  Turn turn_{options_};
  Durable durable_{options_, &turn_};
  Budget budget_{options_.resources};
  JobTable jobs_;
  Watches watches_;
  PeerTable peers_;
  LauncherTable launchers_;
  Roster roster_{options_, &turn_, &jobs_, &durable_, &launchers_};
  // Parts.
  Orders orders_{All()};
  Results results_{All(), &orders_};
  LostLeases lost_leases_{All(), &results_};
  Claims claims_{All(), &results_};
  Exits exits_{All(), &lost_leases_, &claims_};
  LauncherLinks launcher_links_{All(), &orders_, &exits_};
  Losses losses_{All(), &orders_, &lost_leases_, &claims_, &exits_, &launcher_links_};
  Greeting greeting_{All(), &claims_, &launcher_links_, &losses_};
  Dispatcher dispatcher_{All()};
  Staffing staffing_{All(), &orders_, &launcher_links_};
  Endings endings_{All(), &orders_, &results_, &staffing_};
  Submissions submissions_{All(), &claims_};
  Clients clients_{All(), &orders_, &endings_};
  Recovery recovery_{All(), &orders_, &launcher_links_, &submissions_};
  Explainer explainer_{All()};
};

}  // namespace bellis
