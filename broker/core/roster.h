#pragma once

// The workers that the broker knows, and the state of each.
//
//               launched                      hello
//     (new) ------------> kExpected ------------------------> kPresent
//       |                     |                               |     ^
//       |     external, or    | it is to go                   |     | hello of the same
//       |     a further       v              bye      lost    |     | session
//       '-connection----> kVacant <------------------.        v     |
//                             |                      '------ kAway -'
//                             '------ hello -------> kPresent
//
// In each of these states a worker may be told to leave (Worker::leaving); then it gets no more
// blocks. A worker that a launcher started has a *place*: it counts among its task's workers, and
// its launcher reports its end. Its process may open several connections. The first connection has
// the number of the place. Each further connection has an entry of its own, whose `starter` is the
// place, and is not counted as a worker.

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "broker/core/core_options.h"
#include "broker/core/durable.h"
#include "broker/core/job_table.h"
#include "broker/core/launcher_table.h"
#include "broker/core/peer_table.h"
#include "broker/core/turn.h"
#include "broker/core/worker.h"

namespace bellis {

/// Who caused the end of a worker: the worker itself, or the broker or its launcher.
enum class Fault : uint8_t { kItsOwn, kNotItsOwn };

/// Whether a worker keeps its leases when its connection is gone. A worker with heartbeats or a
/// launcher does, until these show that it has ended. Any other worker keeps its blocks, unless its
/// task has `unsafe_leases`, until the broker sees that its process has ended, or a user says so
/// (`worker_gone`).
bool KeepsLeases(const Worker& worker);

/// Owns the workers, and with them the counters of each Pool (live, asked, starting, engaged, idle,
/// slots, active processes of a group), TaskRun::workers and recovering, and Job::workers. Only the
/// Roster's transitions change these, and Presence, Leaving, peer and on_record of a worker.
/// Borrows: the Turn (timers, probes), the JobTable (touches tasks), Durable (sessions on record),
/// the LauncherTable (the workers of each launcher), the PeerTable (only to check invariants).
///
/// Invariants (CheckInvariants recounts all of them):
///   pool.live      workers that are present and not leaving
///   pool.starting  workers that are expected
///   pool.asked     places that have asked for a block since they connected
///   pool.engaged   places that wait for a block, or hold one
///   pool.slots one is taken for each entry that is no further connection
///   group.active   launched workers of the group
///   recovering     workers of the task that are recovering
class Roster {
 public:
  Roster(const CoreOptions& options, Turn* turn, JobTable* jobs, Durable* durable,
         LauncherTable* launchers)
      : options_(options), turn_(*turn), jobs_(*jobs), durable_(*durable), launchers_(*launchers) {}

  // ---- look up ----

  /// nullptr: the table has no such worker, or no longer.
  Worker* Find(WorkerId id) {
    const auto found = workers_.find(id);
    return found == workers_.end() ? nullptr : &found->second;
  }
  const Worker* Find(WorkerId id) const {
    const auto found = workers_.find(id);
    return found == workers_.end() ? nullptr : &found->second;
  }
  Worker& At(WorkerId id) { return workers_.at(id); }
  const Worker& At(WorkerId id) const { return workers_.at(id); }
  /// Finds a worker by number and session, as a pulse names it.
  Worker* FindSession(WorkerId id, uint64_t session);
  /// The last worker of that process that gave no session.
  Worker* FindSilent(const std::string& machine, int64_t pid);
  /// The worker that counts among num_workers: the starter of a further connection, else the worker
  /// itself.
  Worker& PlaceOf(Worker& worker) {
    Worker* starter = worker.is_further() ? Find(worker.starter) : nullptr;
    return starter != nullptr ? *starter : worker;
  }
  const Worker& PlaceOf(const Worker& worker) const {
    const Worker* starter = worker.is_further() ? Find(worker.starter) : nullptr;
    return starter != nullptr ? *starter : worker;
  }
  static Pool& PoolOf(const Worker& worker) {
    return worker.job->tasks[worker.task].pool(worker.duty);
  }
  static GroupRun& GroupOf(const Worker& worker) { return PoolOf(worker).groups[worker.group]; }
  /// In order of their ids, so that a replay visits workers in the same order.
  const std::map<WorkerId, Worker>& all() const { return workers_; }
  bool empty() const { return workers_.empty(); }

  // ---- entries ----

  /// Adds an external worker: nobody reports its end. Its slot lies above those of launched
  /// workers.
  Worker& AddExternal(WorkerId id, Job& job, TaskIndex task, Duty duty);
  /// Adds a further connection of a place.
  Worker& AddFurther(WorkerId id, Worker& place);
  /// Adds a worker of that group that the launcher is to start. It is expected.
  Worker& AddLaunched(WorkerId id, Job& job, TaskIndex task, Duty duty, size_t group,
                      LauncherId launcher);
  /// Adds a worker that an earlier broker knew; `launcher` is set if it was launched. It is away
  /// and recovering, or vacant.
  Worker& AddRecovered(const Session& session, Job& job, LauncherId launcher);
  /// A further connection, or a worker whose launcher was lost, counts as an external worker from
  /// now on.
  void BecomeExternal(Worker& worker);
  /// Removes the worker. Requires that it holds no block, is not present, and has no further
  /// connections.
  void Erase(Worker& worker);

  // ---- transitions ----

  /// To kPresent. Requires that the worker is not present.
  void Connect(Worker& worker, PeerId peer);
  /// kPresent to kAway; the worker's requests are dropped.
  void Disconnect(Worker& worker);
  /// kAway to kVacant. If the worker has no further connection either, its process has some time to
  /// end, or to connect again.
  void Vacate(Worker& worker);
  /// The worker gets no further blocks, and its requests are dropped; kExpected becomes kVacant.
  void StopGiving(Worker& worker);
  /// The same for a place and all its further connections.
  void StopGivingAll(Worker& place);
  /// The worker's process is stopped if it does not leave in time. Requires that the worker is
  /// leaving.
  void SetInTime(Worker& worker) { worker.leaving = Leaving::kInTime; }
  /// The worker connects to a task that has ended, so it must leave at once. Requires that it is
  /// not present.
  void ComeToLeave(Worker& worker) {
    if (!worker.is_leaving()) worker.leaving = Leaving::kWhenDone;
  }
  /// The broker does not know what the worker holds. No block of its task is handed out until the
  /// worker has reported (EndRecovering).
  void AwaitReport(Worker& worker);
  /// The worker has reported, or is lost. Returns true if it was the last recovering worker of its
  /// task.
  bool EndRecovering(Worker& worker);
  /// Gives the worker's session to the store.
  void PutOnRecord(Worker& worker);
  /// The worker's session is durable.
  void SetDurable(Worker& worker) { worker.on_record = OnRecord::kDurable; }
  /// A new process has taken the place, while the record on disk says that nobody is there.
  void SetUnrecorded(Worker& worker);
  /// The worker's process has no session; FindSilent finds it by its pid.
  void SetSilent(const Worker& worker) {
    silent_[{worker.process.machine, worker.process.pid}] = worker.id;
  }

  // ---- requests and leases ----

  /// The worker has asked for a block, so it counts towards the task's min_workers.
  void NoteAsked(Worker& worker);
  /// The worker's request waits in its task's queue.
  void Park(Worker& worker);
  /// The worker whose request has waited longest; it stays first in the queue. nullptr if none
  /// waits.
  Worker* FirstParked(Pool& pool);
  /// The first parked worker was given so many blocks. If it wants more, it goes to the end of the
  /// queue.
  void ServeFirst(Pool& pool, Worker& worker, uint32_t blocks = 1);
  /// Must be called when `worker` may have begun or ceased to wait for a block, or to hold one. All
  /// connections of a place count as one. Cost: O(log workers).
  void NoteUse(Worker& worker);
  /// The worker works on the first of its leases from now on.
  void StartBlock(Worker& worker);
  /// A ping of the worker has arrived: renews its lease. A later end that an earlier broker with
  /// longer leases may have promised stays valid.
  void RenewLease(Worker& worker);
  /// From now on the broker looks for the worker's process at intervals, while the worker is not
  /// connected.
  void ArmProbe(Worker& worker);

  // ---- faults ----

  /// The broker stood still, or there was none, so workers got no answers. If they end themselves
  /// for that, or do not come back, that is not their fault.
  void ExcuseAll();
  /// Whose fault it is if the worker ends now. It is not the worker's own if its launcher was lost,
  /// or if it has heartbeats and has sent nothing since the broker stood still or was started: a
  /// living worker sends something within a quarter of a lease.
  Fault FaultOf(const Worker& worker) const;

  /// Recounts all counters, and checks the invariants. Cost: O(workers and tasks).
  void CheckInvariants(const PeerTable& peers) const;

 private:
  Worker& Add(WorkerId id, Job& job, TaskIndex task, Duty duty);
  void SetPresence(Worker& worker, Presence presence);
  void SetUse(Worker& worker, const Use& use);
  void Touch(const Worker& worker) { jobs_.Touch(*worker.job, worker.task); }
  Session SessionOf(const Worker& worker) const;
  void CheckTask(const Job& job, TaskIndex task) const;
  void CheckWorker(const Worker& worker, const PeerTable& peers) const;

  // Owned.
  std::map<WorkerId, Worker> workers_;
  // The last worker of each process (machine and pid) that gave no session.
  std::map<std::pair<std::string, int64_t>, WorkerId> silent_;
  Instant excused_from_;  // workers that have sent nothing since then are excused,
  WorkerId excused_;      // up to this id
  // Borrowed.
  const CoreOptions& options_;
  Turn& turn_;
  JobTable& jobs_;
  Durable& durable_;
  LauncherTable& launchers_;
};

}  // namespace bellis
