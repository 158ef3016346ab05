#pragma once

// The workers that the broker knows, and where each is in its life.
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
// Beside that a worker may be told to leave (Worker::leaving), wherever it is; then it gets no more
// blocks. A worker that a launcher started has a *place*: it counts among its task's workers, and
// its launcher reports its end. Its process may open several connections. The first has the number
// of the place; each further one has an entry of its own, whose `starter` is the place, and counts
// no further.

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

/// Whose fault the end of a worker is: its own, or that of the broker or of its launcher.
enum class Fault : uint8_t { kItsOwn, kNotItsOwn };

/// Whether what a worker holds, or may hold, stays its when its connection is gone. Without
/// heartbeats, a launcher or a look at its process only somebody who knows can say that it has
/// ended
/// (`worker_gone`).
bool KeepsLeases(const Worker& worker);

/// Owns the workers, and with them the counters of each Pool (live, asked, starting, engaged, idle,
/// slots, active processes of a group), TaskRun::workers and recovering, and Job::workers. Only its
/// transitions change these, and Presence, Leaving, peer and on_record of a worker.
/// Borrows: the Turn (timers, probes), the JobTable (touches tasks), Durable (sessions on record),
/// the LauncherTable (whose workers they are), the PeerTable (to check it).
///
/// Invariants (CheckInvariants recounts all of them):
///   pool.live      workers that are present and not leaving
///   pool.starting  workers that are expected
///   pool.asked     places that have asked for a block since they connected
///   pool.engaged   places that wait for a block, or hold one
///   pool.slots     as many taken as there are entries that are no further connections
///   group.active   launched workers of the group
///   recovering     workers of the task that are recovering
class Roster {
 public:
  Roster(const CoreOptions& options, Turn* turn, JobTable* jobs, Durable* durable,
         LauncherTable* launchers)
      : options_(options), turn_(*turn), jobs_(*jobs), durable_(*durable), launchers_(*launchers) {}

  // ---- look up ----

  /// nullptr: no such worker, or not any more.
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
  /// By number and session, as a pulse names it.
  Worker* FindSession(WorkerId id, uint64_t session);
  /// The last one of that process that gives no session.
  Worker* FindSilent(const std::string& machine, int64_t pid);
  /// The worker that counts among num_workers: of a further connection its starter, else itself.
  Worker& PlaceOf(Worker& worker) {
    Worker* starter = worker.is_further() ? Find(worker.starter) : nullptr;
    return starter != nullptr ? *starter : worker;
  }
  const Worker& PlaceOf(const Worker& worker) const {
    return const_cast<Roster*>(this)->PlaceOf(const_cast<Worker&>(worker));
  }
  static Pool& PoolOf(const Worker& worker) {
    return worker.job->tasks[worker.task].pool(worker.duty);
  }
  static GroupRun& GroupOf(const Worker& worker) { return PoolOf(worker).groups[worker.group]; }
  /// Ordered, so that a replay visits workers in the same order.
  const std::map<WorkerId, Worker>& all() const { return workers_; }
  bool empty() const { return workers_.empty(); }

  // ---- entries ----

  /// An external worker: nobody reports its end. Its slot is none of those of launched ones.
  Worker& AddExternal(WorkerId id, Job& job, TaskIndex task, Duty duty);
  /// A further connection of a place.
  Worker& AddFurther(WorkerId id, Worker& place);
  /// A worker that the launcher is to start, in that group of its task: it is expected.
  Worker& AddLaunched(WorkerId id, Job& job, TaskIndex task, Duty duty, size_t group,
                      LauncherId launcher);
  /// One that an earlier broker knew; `launcher` when it was launched. It is away, and recovering,
  /// or vacant.
  Worker& AddRecovered(const Session& session, Job& job, LauncherId launcher);
  /// The further connection, or the worker whose launcher is lost, counts by itself from now on.
  void BecomeExternal(Worker& worker);
  /// Takes it out. Requires that it holds nothing, is not present, and has no further connections.
  void Erase(Worker& worker);

  // ---- transitions ----

  /// To kPresent. Requires that it is not present.
  void Connect(Worker& worker, PeerId peer);
  /// kPresent to kAway; what it asked for is forgotten.
  void Disconnect(Worker& worker);
  /// kAway to kVacant. With no further connection either, its process has a while to end, or to
  /// connect anew.
  void Vacate(Worker& worker);
  /// It gets no further blocks, and what it asked for is forgotten; kExpected becomes kVacant.
  void StopGiving(Worker& worker);
  /// Neither the place nor any of its further connections gets another block.
  void StopGivingAll(Worker& place);
  /// Its process is stopped if it stays. Requires that it is leaving.
  void SetInTime(Worker& worker) { worker.leaving = Leaving::kInTime; }
  /// It comes to a task that is over: it is leaving from the first. Requires that it is not
  /// present.
  void ComeToLeave(Worker& worker) {
    if (!worker.is_leaving()) worker.leaving = Leaving::kWhenDone;
  }
  /// The broker does not know what the worker holds: no block of its task is handed out until it
  /// does (EndRecovering).
  void AwaitReport(Worker& worker);
  /// The worker has reported, or is over. True: it was the last recovering worker of its task.
  bool EndRecovering(Worker& worker);
  /// Its session is given to the store.
  void PutOnRecord(Worker& worker);
  /// And is durable there.
  void SetDurable(Worker& worker) { worker.on_record = OnRecord::kDurable; }
  /// Another process of the place: what is on record says that nobody is there.
  void SetUnrecorded(Worker& worker);
  /// Its process has no session, and is found by its pid.
  void SetSilent(const Worker& worker) {
    silent_[{worker.process.machine, worker.process.pid}] = worker.id;
  }

  // ---- requests and leases ----

  /// It can do with a block: one more of the task's min_workers.
  void NoteAsked(Worker& worker);
  /// What it wants waits in its task's queue.
  void Park(Worker& worker);
  /// The worker whose request has waited longest; it stays first. nullptr when none waits.
  Worker* FirstParked(Pool& pool);
  /// The first of the parked workers was given a block; what else it wants waits its turn.
  void ServeFirst(Pool& pool, Worker& worker);
  /// To be called when `worker` may have begun or ceased to wait for a block, or to hold one. All
  /// connections of a place are one. Cost: O(log workers).
  void NoteUse(Worker& worker);
  /// The first of the worker's leases is what it works on from now on.
  void StartBlock(Worker& worker);
  /// Its ping has come now. What an earlier broker with longer leases may have promised stays
  /// promised.
  void RenewLease(Worker& worker);
  /// From now on, while the worker is not connected, its process is looked for at intervals.
  void ArmProbe(Worker& worker);

  // ---- faults ----

  /// Workers were not answered, or there was no broker: those that end themselves for that, or do
  /// not come back, have done nothing wrong.
  void ExcuseAll();
  /// Whose fault its end is, if it ends now. Not its own: its launcher was lost, or it has
  /// heartbeats and was not heard of since the broker stood still or was started; a worker that
  /// lives is heard of within a quarter of a lease.
  Fault FaultOf(const Worker& worker) const;

  /// Recounts. Cost: O(workers and tasks).
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
  // The last one of each process (machine and pid) that gives no session.
  std::map<std::pair<std::string, int64_t>, WorkerId> silent_;
  Instant excused_from_;  // since then those that were cut off by the broker are excused
  WorkerId excused_;      // up to this one
  // Borrowed.
  const CoreOptions& options_;
  Turn& turn_;
  JobTable& jobs_;
  Durable& durable_;
  LauncherTable& launchers_;
};

}  // namespace bellis
