// Peers and workers of the model: who is connected in which role, what ends a lease.

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "common/protocol/task_grid.h"
#include "tests/sim/model.h"

namespace bellis::sim {
namespace {

template <typename T>
const T* AnswerTo(PeerId peer, const Effects& effects) {
  for (const Send& send : effects.sends) {
    if (send.to != peer) continue;
    if (const auto* found = std::get_if<T>(&send.message)) return found;
  }
  return nullptr;
}

}  // namespace

void Model::OnReceived(const Received& received, const Effects& effects) {
  const PeerId peer = received.peer;
  if (const auto* hello = std::get_if<HelloMsg>(&received.message)) {
    return OnHello(peer, *hello, effects);
  }
  const auto known = peers_.find(peer);
  if (known == peers_.end()) return;
  if (std::holds_alternative<ByeMsg>(received.message)) return OnGone(peer, Going::kBye);
  const Peer& from = known->second;
  if (from.role == Role::kWorker && workers_.count(from.worker) > 0) {
    if (const auto* release = std::get_if<ReleaseMsg>(&received.message)) {
      if (LeasesInRuns(*release) > kWantMax) return;  // the whole message is refused
      OnRelease(from.worker, *release);
      if (workers_.count(from.worker) > 0) AddCredit(from.worker, release->want, &effects);
    } else if (const auto* acquire = std::get_if<AcquireMsg>(&received.message)) {
      AddCredit(from.worker, acquire->want, &effects);
    }
  }
  if (from.role == Role::kLauncher) {
    if (const auto* launched = std::get_if<LaunchedMsg>(&received.message)) {
      OnLaunched(peer, *launched);
    } else if (const auto* exited = std::get_if<ExitedMsg>(&received.message)) {
      OnExited(peer, *exited);
    }
  }
  if (from.role == Role::kClient) {
    if (const auto* submit = std::get_if<SubmitMsg>(&received.message)) {
      const auto* submitted = AnswerTo<SubmittedMsg>(peer, effects);
      if (submitted != nullptr) Submit(*submit, submitted->job);
    } else if (const auto* cancel = std::get_if<CancelMsg>(&received.message)) {
      for (Job& job : jobs_) job.cancelled |= job.id == cancel->job;
    }
  }
}

void Model::OnHello(PeerId peer, const HelloMsg& hello, const Effects& effects) {
  const uint64_t launcher = hello.role == Role::kLauncher ? FindLauncher(peer, hello) : 0;
  const bool itself = peers_.count(peer) > 0 && SaysItAgain(peers_[peer], hello);
  if (peers_.count(peer) > 0 && !itself && (launcher == 0 || peers_[peer].launcher != launcher)) {
    OnGone(peer, Going::kHelloAgain);
  }
  const auto* welcome = AnswerTo<WelcomeMsg>(peer, effects);
  if (welcome == nullptr) {
    return Require(AnswerTo<ErrorMsg>(peer, effects) != nullptr, "every hello is answered",
                   [&] { return fmt::format("peer {}", peer.value); });
  }
  Require(!shut_down_ || launcher != 0, "no worker is welcomed after shut down", [] { return ""; });
  peers_[peer].role = hello.role;
  Require(!welcome->grid || hello.runs, "a grid comes to those who said runs",
          [&] { return fmt::format("peer {}", peer.value); });
  peers_[peer].tiling.reset();
  if (welcome->grid) peers_[peer].tiling = TilingOf(*welcome->grid).value();
  if (hello.role == Role::kWorker) BindWorker(peer, hello, *welcome);
  if (hello.role == Role::kLauncher) BindLauncher(peer, hello);
}

/// Whether the hello repeats that of the worker on the same connection.
bool Model::SaysItAgain(const Peer& peer, const HelloMsg& hello) const {
  const auto worker = workers_.find(peer.worker);
  if (peer.role != Role::kWorker || hello.role != Role::kWorker || worker == workers_.end()) {
    return false;
  }
  const Job& job = jobs_[worker->second.job];
  if (!hello.job.empty() && hello.job != job.id) return false;
  const std::string& task = job.spec.tasks[worker->second.task].task_id;
  if (!hello.task.empty() && hello.task != task) return false;
  return !hello.worker.set() || hello.worker == peer.worker ||
         hello.worker == worker->second.starter;
}

void Model::BindWorker(PeerId peer, const HelloMsg& hello, const WelcomeMsg& welcome) {
  const WorkerId id = welcome.worker;
  const auto job =
      std::find_if(jobs_.begin(), jobs_.end(), [&](const Job& j) { return j.id == welcome.job; });
  Require(job != jobs_.end(), "a worker is welcome to a job that exists",
          [&] { return welcome.job; });
  auto known = workers_.find(id);
  const auto said = workers_.find(hello.worker);
  const bool again = SaysItAgain(peers_[peer], hello);
  const bool first = said != workers_.end() && said->second.launched && said->second.vacant;
  if (again || first) {
    const WorkerId own = again ? peers_[peer].worker : hello.worker;
    Require(known != workers_.end() && id == own, "a worker's id stays its own",
            [&] { return fmt::format("hello of {}, welcome to {}", own.value, id.value); });
    Worker& worker = known->second;
    Require(jobs_[worker.job].id == welcome.job &&
                jobs_[worker.job].spec.tasks[worker.task].task_id == welcome.task,
            "a worker stays with its task", [&] { return fmt::format("worker {}", id.value); });
    if (worker.peer.set()) {
      peers_[worker.peer].worker = WorkerId();
      Disconnect(worker);
    }
    if (!worker.lost) GiveBackHeld(worker);
  } else {
    Require(id.value > last_worker_, "worker ids only grow",
            [&] { return fmt::format("{} after {}", id.value, last_worker_); });
    last_worker_ = id.value;
    known = workers_.emplace(id, Worker()).first;
    known->second.duty = hello.duty;
    known->second.job = static_cast<size_t>(job - jobs_.begin());
    const auto& tasks = job->spec.tasks;
    const auto task = std::find_if(tasks.begin(), tasks.end(),
                                   [&](const TaskSpec& t) { return t.task_id == welcome.task; });
    Require(task != tasks.end(), "a worker is welcome to a task that exists",
            [&] { return welcome.task; });
    known->second.task = static_cast<size_t>(task - tasks.begin());
    if (said != workers_.end()) {  // a further connection: no leases end
      Worker& place = said->second.starter.set() ? workers_.at(said->second.starter) : said->second;
      known->second.duty = place.duty;
      known->second.leaving = place.launched && place.leaving;
      if (place.launched) {
        known->second.starter = said->second.starter.set() ? said->second.starter : hello.worker;
      }
    }
  }
  Require(welcome.duty == known->second.duty, "a worker is told its duty",
          [&] { return fmt::format("worker {}: {}", id.value, DutyName(welcome.duty)); });
  known->second.peer = peer;
  known->second.greeted = true;
  known->second.vacant = false;
  known->second.credit = 0;
  peers_[peer].worker = id;
}

void Model::OnGone(PeerId id, Going how) {
  const auto known = peers_.find(id);
  if (known == peers_.end()) {
    if (how == Going::kGone) gone_.insert(id);  // its hello was refused, or the peer was gone
    return;
  }
  const Peer peer = known->second;
  peers_.erase(known);
  if (how != Going::kHelloAgain) gone_.insert(id);
  if (peer.role == Role::kLauncher) {
    Launcher& launcher = launchers_.at(peer.launcher);
    launcher.peer = PeerId();
    launcher.away_since = now_;
    const bool none = std::none_of(launchers_.begin(), launchers_.end(),
                                   [](const auto& other) { return other.second.peer.set(); });
    if (none) launcher_missing_since_ = now_;
    if (how == Going::kBye || launcher.pid == 0) LauncherLost(peer.launcher);
  }
  const auto at = workers_.find(peer.worker);
  if (peer.role != Role::kWorker || at == workers_.end()) return;
  Worker& worker = at->second;
  Disconnect(worker);
  // For a launched worker, the broker waits for the exit, unless the worker said bye.
  const WorkerId place = worker.starter.set() ? worker.starter : at->first;
  workers_.at(place).left_holding |= how == Going::kBye && !worker.held.empty();
  const bool stays =
      worker.launched || (worker.starter.set() && (how != Going::kBye || worker.lost));
  if (!worker.lost && (how == Going::kBye || !stays))
    ReturnHeld(at->first, worker, /*first_is_known=*/false);
  worker.vacant = how == Going::kBye && worker.held.empty();
  if (!stays) {
    workers_.erase(at);
  } else if (how != Going::kBye) {
    MustStop(place, workers_.at(place));
  }
}

void Model::OnUndelivered(const PeerGone& gone) {
  const auto known = peers_.find(gone.peer);
  if (known == peers_.end()) return;
  const auto at = workers_.find(known->second.worker);
  if (at == workers_.end()) return;
  Worker& worker = at->second;
  for (const LeaseId lease : gone.undelivered) {
    const auto held = std::find_if(worker.held.begin(), worker.held.end(),
                                   [lease](const Held& h) { return h.lease == lease; });
    if (held == worker.held.end()) continue;
    GiveBack(worker, held->block);
    worker.held.erase(held);
  }
}

void Model::OnExited(PeerId peer, const ExitedMsg& exited) {
  const auto at = workers_.find(exited.worker);
  // The worker belongs to another launcher, or its exit was reported before.
  if (at == workers_.end() || at->second.launcher != peers_.at(peer).launcher) return;
  const Worker& worker = at->second;
  Task& task = jobs_[worker.job].tasks[worker.task];
  const bool overdue =
      !worker.greeted && worker.stop_asked && now_ - worker.reported_at >= options_.hello_wait;
  const bool asked = (worker.leaving || worker.stop_asked) && !overdue;
  const bool well = exited.exit_code == 0 && exited.signal == 0 && exited.start_error.empty();
  const bool held = std::any_of(workers_.begin(), workers_.end(), [&](const auto& entry) {
    const bool its = entry.first == exited.worker || entry.second.starter == exited.worker;
    return its && !entry.second.held.empty();
  });
  if (well && !held && !worker.left_holding && !overdue) {
    if (!asked) ++task.retired[worker.group];
  } else if (!asked) {
    ++task.crashes[worker.group];
    if (!worker.greeted) ++task.unstarted[worker.group];
  }
  WorkerEnded(exited.worker, exited.working, /*excused=*/false);
}

void Model::WorkerEnded(WorkerId id, const std::vector<WorkingOn>& working, bool excused) {
  Worker& worker = workers_.at(id);
  if (worker.peer.set()) peers_[worker.peer].worker = WorkerId();
  ReturnAll(id, working, excused);
  for (const WorkerId one : ConnectionsOf(id)) {
    if (one == id) continue;
    const Worker& its = workers_.at(one);
    if (its.peer.set()) peers_[its.peer].worker = WorkerId();
    workers_.erase(one);
  }
  if (worker.launched) --jobs_[worker.job].tasks[worker.task].active[worker.group];
  workers_.erase(id);
}

void Model::Disconnect(Worker& worker) {
  worker.peer = PeerId();
  worker.credit = 0;
}

/// An external worker that overruns its deadline is given up at once. For a launched worker, the
/// broker waits for its end.
void Model::PassTimeouts() {
  std::vector<uint64_t> away;
  for (const auto& [id, launcher] : launchers_) {
    if (launcher.peer.set() || now_ - launcher.away_since < options_.launcher_wait) continue;
    away.push_back(id);
  }
  for (const uint64_t id : away) LauncherLost(id);
  std::vector<WorkerId> late;
  for (const auto& [id, worker] : workers_) {
    if (!worker.held.empty() && !worker.lost && worker.deadline <= now_) late.push_back(id);
  }
  for (const WorkerId id : late) {
    Worker& worker = workers_.at(id);
    worker.leaving = true;
    worker.credit = 0;
    if (worker.launched || worker.starter.set()) {
      worker.lost = true;
      const WorkerId place = worker.starter.set() ? worker.starter : id;
      for (auto& [other, its] : workers_) {
        if (other != place && its.starter != place) continue;
        its.leaving = true;
        its.credit = 0;
      }
      MustStop(place, workers_.at(place));
      continue;
    }
    const PeerId peer = worker.peer;
    ReturnHeld(id, worker, /*first_is_known=*/true);
    workers_.erase(id);
    peers_.at(peer).worker = WorkerId();  // the peer is refused from now on, but not forgotten
    timed_out_.insert(peer);
  }
}

/// A worker that runs and says no hello is stopped after a while.
void Model::PassHellos() {
  for (auto& [id, worker] : workers_) {
    const Job& job = jobs_[worker.job];
    const Task& task = job.tasks[worker.task];
    const bool needed = !job.ended && !task.given_up && task.counts.unfinished() > 0;
    if (!needed || worker.greeted || worker.stop_asked) continue;
    if (now_ - worker.reported_at >= options_.hello_wait) MustStop(id, worker);
  }
}

void Model::NoteEnoughWorkers() {
  for (size_t j = 0; j < jobs_.size(); ++j) {
    Job& job = jobs_[j];
    for (size_t t = 0; t < job.tasks.size() && !job.ended; ++t) {
      Task& task = job.tasks[t];
      const uint64_t needed = std::min({uint64_t{job.spec.tasks[t].min_workers},
                                        task.counts.unfinished(), WorkersThatMayCome(j, t)});
      task.enough |= job.spec.serial || AskingWorkers(j, t, Duty::kWork) >= needed;
    }
  }
}

/// How many workers may come at most. Workers of groups that are given up will not, nor will those
/// that have left.
uint64_t Model::WorkersThatMayCome(size_t j, size_t t) const {
  const Job& job = jobs_[j];
  const Task& task = job.tasks[t];
  if (job.spec.tasks[t].external_workers) return std::numeric_limits<uint64_t>::max();
  uint64_t external = 0;
  for (const auto& [id, worker] : workers_) {
    const bool its = worker.job == j && worker.task == t && worker.duty == Duty::kWork;
    if (its && !worker.launched && !worker.starter.set()) ++external;
  }
  uint64_t places = 0;
  for (const WorkerGroup& group : job.spec.tasks[t].workers) {
    const std::string& name = group.command.back();
    const auto active = task.active.find(name);
    const auto retired = task.retired.find(name);
    const uint64_t left = retired == task.retired.end() ? 0 : retired->second;
    const uint64_t open =
        GivenUp(job, t, name) ? 0 : group.count - std::min<uint64_t>(group.count, left);
    places += std::max(open, active == task.active.end() ? 0 : active->second);
  }
  return places + external;
}

uint64_t Model::LiveWorkers(size_t job, size_t task) const {
  uint64_t live = 0;
  for (const auto& [id, worker] : workers_) {
    if (worker.job != job || worker.task != task || worker.duty != Duty::kWork) continue;
    if (Live(worker)) ++live;
  }
  return live;
}

uint64_t Model::AskingWorkers(size_t job, size_t task, Duty duty) const {
  std::set<WorkerId> asking;  // all connections of a worker count as one
  for (const auto& [id, worker] : workers_) {
    if (worker.job != job || worker.task != task || worker.duty != duty) continue;
    if (!Live(worker) || (worker.credit == 0 && worker.held.empty())) continue;
    asking.insert(worker.starter.set() ? worker.starter : id);
  }
  return asking.size();
}

}  // namespace bellis::sim
