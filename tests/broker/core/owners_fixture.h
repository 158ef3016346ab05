#pragma once

// What a test of one part of the core needs: all owners, a connected launcher, and a job.

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "broker/core/budget.h"
#include "broker/core/core_options.h"
#include "broker/core/durable.h"
#include "broker/core/effect.h"
#include "broker/core/job_table.h"
#include "broker/core/launcher_table.h"
#include "broker/core/owners.h"
#include "broker/core/peer_table.h"
#include "broker/core/roster.h"
#include "broker/core/turn.h"
#include "broker/core/watches.h"
#include "tests/broker/schedule/job_fixture.h"

namespace bellis::test {

/// A Step is begun from the first. The invariants of the Roster are checked at the end.
class OwnersFixture : public testing::Test {
 protected:
  static constexpr PeerId kPeer{7};
  static constexpr PeerId kOther{8};
  static constexpr PeerId kLauncher{9};

  explicit OwnersFixture(CoreOptions options = {}) : options_(std::move(options)) {
    turn_.Begin(Instant{} + Duration::Seconds(1), &effects_);
    Launcher& launcher = launchers_.Add({"host", "machine", 5});
    launcher_ = launcher.id;
    launchers_.Connect(launcher, kLauncher);
    peers_.Bind(kLauncher, {.role = Role::kLauncher, .launcher = launcher_});
  }
  ~OwnersFixture() override { roster_.CheckInvariants(peers_); }

  Owners All() {
    return {options_, turn_, durable_, budget_, jobs_, watches_, peers_, launchers_, roster_};
  }

  /// A task of so many blocks that do not conflict, for one group of three launched workers.
  static TaskSpec TaskOf(int64_t blocks) {
    TaskSpec task = Line("a", blocks);
    task.read_write_conflict = Conflict::kNone;
    task.external_workers = false;
    task.workers = {{{"work"}, 3, {}}};
    return task;
  }
  /// A job with this one task runs.
  Job& Begin(const TaskSpec& spec) {
    auto job = std::make_unique<Job>();
    job->number = jobs_.NextNumber();
    job->id = "job-" + std::to_string(job->number.value);
    job->spec.tasks = {spec};
    Schedule schedule(job->spec);
    job->graph = std::move(schedule.graph);
    job->frontier = std::move(schedule.frontier);
    job->tasks.resize(1);
    job->tasks[0].languages = {{"python"}};
    for (const Duty duty : kAllDuties) {
      job->tasks[0].pool(duty).groups.resize(GroupsOf(spec, duty).size());
    }
    jobs_.Begin(*job);
    return jobs_.Add(std::move(job));
  }

  Worker& Launch(Job& job, Duty duty = Duty::kWork, size_t group = 0) {
    return roster_.AddLaunched(durable_.NextWorker(), job, 0, duty, group, launcher_);
  }
  Worker& External(Job& job, Duty duty = Duty::kWork) {
    return roster_.AddExternal(durable_.NextWorker(), job, 0, duty);
  }
  void Connect(Worker& worker, PeerId peer) {
    roster_.Connect(worker, peer);
    peers_.Bind(peer, {.role = Role::kWorker, .worker = &worker});
    roster_.NoteUse(worker);
  }
  void Disconnect(Worker& worker) {
    peers_.Erase(worker.peer);
    roster_.Disconnect(worker);
  }
  /// The worker gets the next ready block, as a further one of those that it holds.
  Lease HandOut(Worker& worker) {
    const BlockIndex block = *worker.job->frontier->Pop(0);
    worker.job->frontier->Lease({0, block});
    worker.held.push_back({durable_.NextLease(), block, 1, turn_.now()});
    roster_.NoteUse(worker);
    return worker.held.back();
  }

  /// Ends the Step, and begins those that come until so much later. Timers that fire do nothing.
  void Pass(Duration time) {
    const Instant end = turn_.now() + time;
    while (turn_.now() < end) {
      turn_.End();
      turn_.Begin(std::min(effects_.next_deadline, turn_.clock().ToMachine(end)), &effects_);
      for (Timer timer; turn_.PopDue(&timer);) {
      }
    }
  }
  /// The messages of type M that this Step has sent to the peer.
  template <typename M>
  std::vector<M> SentTo(PeerId peer) const {
    std::vector<M> sent;
    for (const Send& send : effects_.sends) {
      if (send.to != peer) continue;
      if (const M* message = std::get_if<M>(&send.message)) sent.push_back(*message);
    }
    return sent;
  }

  const CoreOptions options_;
  Turn turn_{options_};
  Effects effects_;
  Durable durable_{options_, &turn_};
  Budget budget_{options_.resources};
  JobTable jobs_;
  Watches watches_;
  PeerTable peers_;
  LauncherTable launchers_;
  Roster roster_{options_, &turn_, &jobs_, &durable_, &launchers_};
  LauncherId launcher_;
};

}  // namespace bellis::test
