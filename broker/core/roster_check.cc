// Recounts the roster's counters.

#include <algorithm>

#include "broker/core/roster.h"
#include "common/check.h"

namespace bellis {

void Roster::CheckInvariants(const PeerTable& peers) const {
  size_t launched = 0;
  for (const auto& [id, worker] : workers_) {
    BELLIS_CHECK(id == worker.id, "a worker is kept by its number");
    CheckWorker(worker, peers);
    launched += worker.launched() ? 1 : 0;
  }
  size_t with_launchers = 0;
  for (const auto& [id, launcher] : launchers_) {
    with_launchers += launcher.workers.size();
    for (const WorkerId worker : launcher.workers) {
      BELLIS_CHECK(At(worker).launcher == id, "each worker of a launcher names that launcher");
    }
  }
  BELLIS_CHECK(launched == with_launchers, "each launched worker is listed by one launcher");
  for (const auto& [id, peer] : peers) {
    if (peer.worker == nullptr) continue;
    BELLIS_CHECK(peer.worker->peer == id,
                 "each worker of a peer names that peer as its connection");
  }
  uint64_t of_jobs = 0;
  for (const auto& [number, job] : jobs_) {
    of_jobs += job->workers;
    uint64_t of_tasks = 0;
    for (TaskIndex t = 0; t < job->tasks.size(); ++t) {
      of_tasks += job->tasks[t].workers.size();
      CheckTask(*job, t);
    }
    BELLIS_CHECK(job->workers == of_tasks, "a job's workers are those of its tasks");
  }
  BELLIS_CHECK(of_jobs == workers_.size(), "each worker belongs to one job");
}

void Roster::CheckWorker(const Worker& worker, const PeerTable& peers) const {
  const bool present = worker.presence == Presence::kPresent;
  BELLIS_CHECK(present == worker.peer.set(), "exactly the present workers have a connection");
  if (present) BELLIS_CHECK(peers.Has(worker.peer), "each connection is a known peer");
  BELLIS_CHECK(!worker.expected() || worker.launched(), "only a launched worker is expected");
  BELLIS_CHECK(!worker.parked || present || Mutated(Mutation::kLeaveKeepsWants),
               "only a live worker has a request that waits");
  BELLIS_CHECK(!worker.parked || worker.want > 0, "a parked worker wants a block");
  for (const WorkerId id : worker.further) {
    BELLIS_CHECK(At(id).starter == worker.id, "each further connection names its place");
  }
  Use all;
  const auto add = [&all](const Use& use) {
    all.wait += use.wait;
    all.hold += use.hold;
    all.hold_away += use.hold_away;
  };
  if (worker.is_further()) {
    BELLIS_CHECK(Find(worker.starter) != nullptr,
                 "the place of a further connection is in the table");
    return;
  }
  add(worker.use);
  for (const WorkerId id : worker.further) add(At(id).use);
  BELLIS_CHECK(all.wait == worker.use_of_all.wait && all.hold == worker.use_of_all.hold &&
                   all.hold_away == worker.use_of_all.hold_away,
               "the use of a place is the sum over its connections");
}

void Roster::CheckTask(const Job& job, TaskIndex t) const {
  const TaskRun& task = job.tasks[t];
  struct Count {
    uint64_t live = 0, asked = 0, starting = 0, engaged = 0, places = 0, idle = 0;
    std::vector<uint64_t> active;
  };
  std::array<Count, kDuties> counts;
  uint64_t recovering = 0;
  for (const Duty duty : kAllDuties) {
    counts[static_cast<size_t>(duty)].active.resize(task.pool(duty).groups.size());
  }
  for (const WorkerId id : task.workers) {
    const Worker& worker = At(id);
    BELLIS_CHECK(worker.job == &job && worker.task == t, "each worker of a task names that task");
    Count& count = counts[static_cast<size_t>(worker.duty)];
    recovering += worker.recovering ? 1 : 0;
    count.live += worker.live() ? 1 : 0;
    count.asked += worker.asked ? 1 : 0;
    count.starting += worker.expected() ? 1 : 0;
    if (worker.launched()) ++count.active.at(worker.group);
    if (worker.is_further()) continue;
    ++count.places;
    count.engaged += worker.use_of_all.engaged() ? 1 : 0;
    count.idle += task.pool(worker.duty).idle.contains(id) && worker.use_of_all.idle() ? 1 : 0;
  }
  BELLIS_CHECK(task.recovering == recovering, "the count of recovering workers is right");
  for (const Duty duty : kAllDuties) {
    const Pool& pool = task.pool(duty);
    const Count& count = counts[static_cast<size_t>(duty)];
    BELLIS_CHECK(pool.live == count.live, "the count of live workers is right");
    BELLIS_CHECK(pool.asked == count.asked, "the count of workers that have asked is right");
    BELLIS_CHECK(pool.starting == count.starting, "the count of expected workers is right");
    BELLIS_CHECK(pool.engaged == count.engaged, "the count of engaged places is right");
    BELLIS_CHECK(pool.idle.size() == count.idle, "the set of idle places is right");
    BELLIS_CHECK(pool.slots.taken() == count.places, "each place has a slot");
    for (size_t g = 0; g < pool.groups.size(); ++g) {
      BELLIS_CHECK(pool.groups[g].active == count.active[g],
                   "the count of a group's processes is right");
    }
  }
}

}  // namespace bellis
