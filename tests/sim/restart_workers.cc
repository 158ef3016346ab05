// The workers of a RestartWorld, the faults that happen to them, and the user who starts them and
// confirms that they have ended.

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "tests/sim/restart_world.h"

namespace bellis::sim {

void RestartWorld::VisitTasks() {
  if (life_ && notices_) NoticeClosed();
  if (life_ && job_ && silent_ && !Completed()) LookAfterTasks();
  std::erase_if(workers_, [](const auto& worker) { return !worker->alive(); });
  if (job_ && !Completed()) {
    for (size_t t = 0; t < spec_.tasks.size(); ++t) {
      const auto there = std::count_if(workers_.begin(), workers_.end(), [&](const auto& worker) {
        return worker->task() == spec_.tasks[t].task_id;
      });
      if (there < 2 || (there < 4 && random_.Chance(0.3))) Hire(t);
    }
  }
  clock_.After(random_.Between(Duration::Millis(100), Duration::Seconds(2)),
               [this] { VisitTasks(); });
}

void RestartWorld::NoticeClosed() {
  for (const RoutingId closed : network_.TakeClosed()) {
    const auto peer = life_->peers.find(closed);
    if (peer != life_->peers.end()) Step(PeerGone{peer->second, {}});
  }
}

/// Asks, as a user would, why some unfinished block does not run.
void RestartWorld::LookAfterTasks() {
  std::vector<const PlainBlock*> open;
  for (const PlainBlock& block : plain_.blocks) {
    if (disk_.open(*job_, static_cast<TaskIndex>(block.task), block.index)) open.push_back(&block);
  }
  if (open.empty()) return;
  const PlainBlock& block = *random_.Of(open);
  HelloMsg hello;
  hello.role = Role::kClient;
  Step(Received{kClient, hello});
  ExplainMsg explain{1, disk_.jobs().at(*job_).id, spec_.tasks[block.task].task_id, block.id, {}};
  Step(Received{kClient, explain});
  // The user names a wrong worker: the broker refuses worker-gone for a worker that pings.
  for (const auto& worker : workers_) {
    if (!worker->alive() || worker->silent() || !random_.Chance(0.05)) continue;
    Step(Received{kClient, WorkerGoneMsg{1, worker->id()}});
  }
}

/// The user tells the broker which of the workers named in the answer have ended.
void RestartWorld::VouchFor(const std::string& explained) {
  static const std::string kCommand = "bellis worker-gone ";
  for (size_t at = 0; (at = explained.find(kCommand, at)) != std::string::npos;) {
    at += kCommand.size();
    const WorkerId id(std::stoull(explained.substr(at)));
    const bool lives = std::any_of(workers_.begin(), workers_.end(), [id](const auto& worker) {
      return worker->alive() && worker->id() == id;
    });
    if (lives) continue;
    around_.Fault("worker-vouched-for");
    life_->follow_ups.push_back(Received{kClient, WorkerGoneMsg{1, id}});
  }
}

void RestartWorld::Hire(size_t t, WorkerId in_place_of) {
  HelloMsg hello;
  hello.worker = in_place_of;
  hello.job = disk_.jobs().empty() ? "" : disk_.jobs().begin()->second.id;
  hello.task = spec_.tasks[t].task_id;
  hello.language = "lasting";
  LastingWorker::Witness witness;
  witness.begin = [this, t](uint64_t by, const LeasedBlock& block) { Begin(by, t, block); };
  witness.end = [this](uint64_t by, bool completed) {
    std::erase_if(running_, [by](const Running& running) { return running.by == by; });
    if (completed) ++tally_.faults["block-done"];
  };
  witness.committed = [this, t](const LeasedBlock& block) {
    known_done_.insert(PositionOf(t, block.index));
  };
  const TaskSpec& task = spec_.tasks[t];
  const bool conflict =
      task.read_write_conflict != Conflict::kNone && task.read_roi != task.write_roi;
  const bool silent = silent_ && !conflict && random_.Chance(0.5);
  workers_.push_back(std::make_unique<LastingWorker>(&around_, hello, silent, std::move(witness)));
}

size_t RestartWorld::PositionOf(size_t task, BlockIndex index) const {
  return plain_.first[task] + index;
}

std::string RestartWorld::NameOf(size_t position) const {
  const PlainBlock& block = plain_.blocks[position];
  return fmt::format("{}/{}", spec_.tasks[block.task].task_id, block.index);
}

void RestartWorld::Begin(uint64_t by, size_t task, const LeasedBlock& leased) {
  const size_t position = PositionOf(task, leased.index);
  const PlainBlock& block = plain_.blocks[position];
  Require(known_done_.count(position) == 0,
          "durability: a block that is known to be done is not run again",
          [&] { return NameOf(position); });
  for (const size_t need : block.needs) {
    const PlainBlock& other = plain_.blocks[need];
    const bool open = disk_.open(*job_, static_cast<TaskIndex>(other.task), other.index);
    Require(other.masked || !open,
            "order: the blocks that a block depends on are on disk before it runs",
            [&] { return NameOf(position) + " before " + NameOf(need); });
  }
  for (const Running& running : running_) {
    const PlainBlock& other = plain_.blocks[running.position];
    const auto worker = std::find_if(workers_.begin(), workers_.end(),
                                     [&](const auto& w) { return w->key() == running.by; });
    if (worker == workers_.end() || !(*worker)->running()) continue;
    const bool same = running.position == position;
    const bool conflict = other.task == task &&
                          spec_.tasks[task].read_write_conflict != Conflict::kNone &&
                          (block.read.Meets(other.write) || block.write.Meets(other.read));
    Require(!same && !conflict, "exclusion: conflicting blocks never run at the same time", [&] {
      return fmt::format("{} while {} runs", NameOf(position), NameOf(running.position));
    });
  }
  running_.push_back({by, position});
}

void RestartWorld::PlanFault() {
  clock_.After(random_.Between(Duration::Millis(50), Duration::Seconds(6)), [this] {
    if (around_.sound) return;
    DoFault();
    PlanFault();
  });
}

void RestartWorld::DoFault() {
  const int64_t what = random_.Pick(0, 10);
  if (what <= 2) return KillBroker();
  std::vector<LastingWorker*> alive;
  for (const auto& worker : workers_) {
    if (worker->alive()) alive.push_back(worker.get());
  }
  if (alive.empty()) return;
  LastingWorker& worker = *random_.Of(alive);
  if (what <= 4) {
    around_.Fault("worker-killed");
    worker.Crash(/*seen=*/random_.Chance(0.5));
  } else if (what <= 6) {
    around_.Fault("worker-stopped");
    worker.Freeze(random_.Between(Duration::Millis(100), Duration::Seconds(12)));
  } else if (what == 7) {
    around_.Fault("connection-cut");
    worker.dealer().Cut();
  } else if (what == 10) {
    // Another process says hello under the worker's id: after the worker's end, whose last messages
    // may arrive later, or while the worker goes on.
    const bool ends = random_.Chance(0.5);
    around_.Fault(ends ? "worker-replaced" : "worker-joined");
    const WorkerId id = worker.id();
    const std::string task = worker.task();
    worker.Repeat();
    if (ends) worker.Crash(/*seen=*/random_.Chance(0.5));
    for (size_t t = 0; t < spec_.tasks.size(); ++t) {
      if (spec_.tasks[t].task_id == task && id.set()) Hire(t, id);
    }
  } else {
    around_.Fault("worker-cut-off");
    const Instant until =
        clock_.now() + random_.Between(Duration::Millis(100), Duration::Seconds(12));
    worker.dealer().Isolate(until, random_.Chance(0.5));
  }
}

}  // namespace bellis::sim
