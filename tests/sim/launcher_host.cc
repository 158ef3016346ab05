#include "tests/sim/launcher_host.h"

#include <csignal>
#include <utility>

namespace bellis::sim {

LauncherHost::LauncherHost(Surroundings* around, std::string host, bool wild)
    : Actor(around), host_(std::move(host)), wild_(wild), notes_(random().Chance(0.5)) {
  Start();
}

void LauncherHost::Start() {
  ++life_number_;
  HelloMsg hello;
  hello.role = Role::kLauncher;
  hello.host = host_;
  // Whoever starts the launcher again may tell the broker that the process before it has ended.
  if (random().Chance(0.5)) hello.former_pid = pid_;
  hello.pid = ++pid_;
  session_.emplace(hello, now());
  dealer_ = std::make_unique<Dealer>(around_->network,
                                     [this](const Message& message) { OnMessage(message); });
  Pump();
}

void LauncherHost::Crash() {
  if (!up()) return;
  around_->Fault("launcher-crashes");
  ++life_number_;
  session_.reset();
  KillAll(SIGKILL);
  dealer_->Crash(/*seen=*/true);
  Later(random().Between(Duration::Millis(100), Duration::Seconds(around_->sound ? 1 : 40)),
        [this] {
          if (!up()) Start();
        });
}

void LauncherHost::Heal() {
  if (!up()) Start();
  for (auto& [id, child] : children_) child->Reform();
  for (auto& [id, kin] : kin_) {
    for (auto& one : kin) one->Reform();
  }
}

void LauncherHost::ReportForeignExit(WorkerId worker) {
  if (!up() || children_.count(worker) > 0) return;
  around_->Fault("exit-foreign");
  dealer_->Send(ExitedMsg{worker, 1, 0, "", ""});
}

std::vector<WorkerProcess*> LauncherHost::workers() {
  std::vector<WorkerProcess*> running;
  for (auto& [id, child] : children_) {
    if (child->alive()) running.push_back(child.get());
  }
  return running;
}

size_t LauncherHost::running() const {
  size_t count = 0;
  for (const auto& [id, child] : children_) count += child->alive() ? 1 : 0;
  return count;
}

void LauncherHost::OnMessage(const Message& message) {
  if (!up()) return;
  if (const auto* launch = std::get_if<LaunchMsg>(&message)) {
    const WorkerId id = launch->worker;
    if (children_.count(id) > 0 || session_->ExitIsPending(id)) return;
    if (!to_start_.insert(id).second) return;
    const Duration wait = random().Chance(0.05) && !around_->sound
                              ? random().Between(Duration{0}, Duration::Seconds(5))
                              : Duration::Millis(1);
    Later(wait, [this, started = *launch, number = life_number_] {
      if (number == life_number_ && to_start_.erase(started.worker) > 0) OnLaunch(started);
    });
  } else if (const auto* stop = std::get_if<StopMsg>(&message)) {
    OnStop(*stop);
  } else if (std::holds_alternative<WelcomeMsg>(message)) {
    session_->OnWelcome();
  } else if (const auto* pong = std::get_if<PongMsg>(&message)) {
    session_->OnPong(*pong);
  } else if (const auto* error = std::get_if<ErrorMsg>(&message)) {
    session_->OnError(*error, now());
  } else if (std::holds_alternative<LeaveMsg>(message)) {
    ++life_number_;
    session_.reset();
    KillAll(SIGTERM);
    dealer_->Send(ByeMsg{"asked to leave"});
    dealer_->Close();
    return;
  }
  Pump();
}

void LauncherHost::OnLaunch(const LaunchMsg& launch) {
  if (launch.command.front() == "missing") {
    around_->Fault("start-error");
    session_->Report(ExitedMsg{launch.worker, 0, 0, "no such file", ""});
    return Pump();
  }
  HelloMsg hello;
  hello.role = Role::kWorker;
  hello.job = launch.job;
  hello.task = launch.task;
  hello.worker = launch.worker;
  hello.language = launch.command.back();
  hello.host = host_;
  const bool wild = wild_ && !around_->sound;
  auto on_exit = [this, id = launch.worker, number = life_number_](int code, int signal) {
    Later(random().Chance(0.1) ? random().Between(Duration{0}, Duration::Seconds(2)) : Duration{},
          [this, id, number, code, signal] {
            if (number == life_number_) OnExit(id, code, signal);
          });
  };
  children_[launch.worker] = std::make_unique<WorkerProcess>(
      around_, hello, wild ? Character::Wild(random()) : Character::Honest(random()), on_exit);
  if (random().Chance(0.2)) {
    for (int64_t more = random().Pick(1, 2); more > 0; --more) {
      kin_[launch.worker].push_back(std::make_unique<WorkerProcess>(
          around_, hello, wild ? Character::Wild(random()) : Character::Honest(random()),
          [](int, int) {}));
    }
  }
  session_->Report(LaunchedMsg{launch.worker, static_cast<int64_t>(launch.worker.value) + 1000});
  Pump();
}

void LauncherHost::OnExit(WorkerId worker, int code, int signal) {
  ExitedMsg exited{worker, code, signal, "", ""};
  EndKin(worker, &exited.working);
  if (children_[worker]->greeted()) exited.working.push_back(children_[worker]->working());
  if (!notes_) exited.working.clear();
  dead_.push_back(std::move(children_[worker]));
  children_.erase(worker);
  session_->Report(exited);
  Pump();
}

/// Ends the worker by TERM; a worker that hangs ends by KILL, after the grace period.
void LauncherHost::OnStop(const StopMsg& stop) {
  const auto child = children_.find(stop.worker);
  if (child == children_.end()) {
    to_start_.erase(stop.worker);
    if (session_->ExitIsPending(stop.worker)) return;
    return session_->Report(ExitedMsg{stop.worker, 0, SIGTERM, "", ""});
  }
  const bool stubborn = child->second->hanging() || random().Chance(0.1);
  const Duration wait = stubborn ? Duration::Millis(stop.grace_ms) : Duration::Millis(2);
  Later(wait, [this, id = stop.worker, stubborn, number = life_number_] {
    if (number != life_number_ || children_.count(id) == 0) return;
    children_[id]->Kill(stubborn ? SIGKILL : SIGTERM);
  });
}

void LauncherHost::EndKin(WorkerId worker, std::vector<WorkingOn>* working) {
  for (auto& one : kin_[worker]) {
    if (one->greeted() && one->alive()) working->push_back(one->working());
    one->Kill(SIGKILL);
    dead_.push_back(std::move(one));
  }
  kin_.erase(worker);
}

void LauncherHost::KillAll(int signal) {
  to_start_.clear();
  std::vector<WorkingOn> nobody_asks;
  while (!kin_.empty()) EndKin(kin_.begin()->first, &nobody_asks);
  for (auto& [id, child] : children_) {
    child->Kill(signal);
    dead_.push_back(std::move(child));
  }
  children_.clear();
}

void LauncherHost::Pump() {
  if (!up()) return;
  for (const Message& message : session_->TakeOutgoing(now())) dealer_->Send(message);
  if (session_->state() == LauncherSession::State::kRefused) {
    ++life_number_;
    session_.reset();
    KillAll(SIGTERM);
    return dealer_->Close();
  }
  const Instant due = session_->next_deadline();
  if (due == Instant::Never()) return;
  Later(std::max(Duration{1}, due - now()), [this, pump = ++pump_] {
    if (pump == pump_) Pump();
  });
}

}  // namespace bellis::sim
