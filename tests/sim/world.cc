#include "tests/sim/world.h"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>

namespace bellis::sim {

World::World(const WorldOptions& options)
    : options_(options),
      random_(options.seed),
      trace_(options.trace),
      network_(&clock_, &random_, &trace_),
      shell_(CoreOptions{}, &clock_, &random_, &network_, &trace_) {
  around_ = {&clock_, &random_, &network_,
             &trace_, &tally_,  [this] { return shell_.model().LeasesOut(); },
             false};
  faulty_ = random_.Chance(0.85);
  wild_ = faulty_ && random_.Chance(0.8);
  fault_every_ = random_.Between(Duration::Millis(200), Duration::Seconds(20));
  heal_at_ = Instant{} + random_.Between(Duration::Seconds(5), Duration::Seconds(240));
}

void World::Run() {
  Populate();
  clock_.At(heal_at_, [this] { Heal(); });
  if (faulty_) PlanFault();
  VisitTasks();
  const Instant limit = heal_at_ + kPatience;
  const auto tick = [&](const auto& until) {
    while (!until() && clock_.RunNext()) {
      Require(shell_.steps() < kStepsMax, "every run ends: in a bounded number of steps",
              [&] { return fmt::format("{}\n{}", shell_.steps(), shell_.model().Explain()); });
      Require(clock_.now() < limit, "every run ends: after the faults have stopped",
              [&] { return "stuck\n" + shell_.model().Explain(); });
    }
  };
  tick([this] { return Ended(); });
  Require(Ended(), "every run ends",
          [&] { return "nothing is to come\n" + shell_.model().Explain(); });
  const Instant quiet = clock_.now() + kAfterlife;
  clock_.At(quiet, [] {});
  tick([&] { return clock_.now() >= quiet; });
  CheckNothingIsLeft();
  shell_.ShutDown("the simulation ends");
  const Instant end = clock_.now() + kShutDownPatience;
  clock_.At(end, [] {});
  tick([&] { return clock_.now() >= end; });
  Require(shell_.effects().finished, "shut down ends when no launcher is left",
          [] { return "it has not finished"; });
  tally_.seeds = 1;
  tally_.steps = shell_.steps();
  tally_.messages = network_.messages();
  tally_.leases = shell_.model().leases_given();
  tally_.virtual_ms = static_cast<uint64_t>(clock_.now().ns / 1'000'000);
  for (const JobStatus& job : shell_.Jobs()) {
    ++tally_.jobs[JobStateName(job.state)];
    for (const TaskStatus& task : job.tasks) tally_.blocks += task.counts.blocks;
  }
}

void World::Populate() {
  network_.set_rough(faulty_);
  shell_.set_sloppy(random_.Chance(0.5));
  for (int64_t l = random_.Pick(1, 2); l > 0; --l) {
    launchers_.push_back(
        std::make_unique<LauncherHost>(&around_, "host" + std::to_string(l), wild_));
  }
  const int jobs = static_cast<int>(random_.Pick(1, 3));
  for (int j = 0; j < jobs; ++j) {
    specs_.push_back(JobMaker(&random_).Make(std::to_string(j)));
  }
  for (const JobSpec& spec : specs_) {
    clock_.After(random_.Between(Duration{}, Duration::Seconds(10)), [this, &spec] {
      clients_.push_back(std::make_unique<ClientProgram>(&around_, spec, random_.Chance(0.1)));
    });
  }
}

void World::PlanFault() {
  clock_.After(random_.Between(Duration{}, fault_every_), [this] {
    if (around_.sound) return;
    DoFault();
    PlanFault();
  });
}

void World::DoFault() {
  switch (random_.Pick(0, 12)) {
    case 0:
    case 1:
    case 2: return CutSomebody();
    case 3: return PartSome();
    case 4:
    case 5: return AddVandal();
    case 6:
    case 7: {
      LauncherHost& launcher = *random_.Of(launchers_);
      std::vector<WorkerProcess*> workers = launcher.workers();
      if (workers.empty()) return;
      around_.Fault("worker-killed");
      return random_.Of(workers)->Kill(SIGKILL);
    }
    case 8: return random_.Chance(0.3) ? random_.Of(launchers_)->Crash() : CutSomebody();
    case 10: {
      std::vector<WorkerProcess*> workers = random_.Of(launchers_)->workers();
      if (!workers.empty()) random_.Of(launchers_)->ReportForeignExit(random_.Of(workers)->id());
      return;
    }
    case 9: {
      if (!random_.Chance(0.3)) return;
      around_.Fault("broker-stalls");
      return shell_.Stall(clock_.now() + random_.Between(Duration{}, Duration::Seconds(5)));
    }
    default: {
      if (external_workers_.empty()) return;
      WorkerProcess& worker = *random_.Of(external_workers_).process;
      if (!worker.alive()) return;
      around_.Fault("external-worker-killed");
      return worker.Kill(SIGKILL);
    }
  }
}

std::vector<Dealer*> World::Cuttable() {
  std::vector<Dealer*> dealers;
  for (const auto& client : clients_) dealers.push_back(&client->dealer());
  for (const ExternalWorker& external : external_workers_) {
    if (external.process->alive()) dealers.push_back(&external.process->dealer());
  }
  for (const auto& launcher : launchers_) {
    for (WorkerProcess* worker : launcher->workers()) dealers.push_back(&worker->dealer());
    if (launcher->up()) dealers.push_back(launcher->dealer());
  }
  return dealers;
}

void World::CutSomebody() {
  const std::vector<Dealer*> dealers = Cuttable();
  if (dealers.empty()) return;
  around_.Fault("connection-cut");
  random_.Of(dealers)->Cut();
}

void World::PartSome() {
  around_.Fault("partition");
  const Instant until = clock_.now() + random_.Between(Duration{}, Duration::Seconds(40));
  const bool cut = random_.Chance(0.5);
  for (Dealer* dealer : Cuttable()) {
    if (random_.Chance(0.5)) dealer->Isolate(until, cut);
  }
}

void World::AddVandal() {
  around_.Fault("vandal");
  const bool silent = random_.Chance(0.5);
  vandals_.push_back(std::make_unique<Vandal>(&around_, silent, [this] {
    Hints hints;
    hints.leases = shell_.model().LeasesOut();
    for (const JobStatus& job : shell_.Jobs()) hints.jobs.push_back(job.job);
    hints.tasks = {"t0", "t1", "t2", "t3"};
    hints.workers = 60;
    return hints;
  }));
}

void World::Heal() {
  trace_.Add(clock_.now(), "---- the faults have ceased");
  around_.sound = true;
  network_.set_rough(false);
  for (const auto& launcher : launchers_) launcher->Heal();
  for (const ExternalWorker& external : external_workers_) external.process->Reform();
}

/// External workers: now and then one comes to each task that permits them. When the faults have
/// ceased, there are always two of each duty.
void World::VisitTasks() {
  for (const JobStatus& job : shell_.Jobs()) {
    if (job.state != JobState::kRunning || job.name.size() != 1) continue;
    const JobSpec& spec = specs_[static_cast<size_t>(job.name[0] - '0')];
    for (const TaskSpec& task : spec.tasks) {
      if (!task.external_workers) continue;
      VisitTask(job.job, task, Duty::kWork);
      if (task.check) VisitTask(job.job, task, Duty::kCheck);
      if (task.post_check) VisitTask(job.job, task, Duty::kPostCheck);
    }
  }
  clock_.After(random_.Between(Duration::Seconds(1), Duration::Seconds(5)),
               [this] { VisitTasks(); });
}

void World::VisitTask(const std::string& job, const TaskSpec& task, Duty duty) {
  const auto there = std::count_if(
      external_workers_.begin(), external_workers_.end(), [&](const ExternalWorker& v) {
        return v.job == job && v.task == task.task_id && v.duty == duty && v.process->alive() &&
               !v.process->hanging();
      });
  if (around_.sound ? there >= 2 : there >= 5 || random_.Chance(0.6)) return;
  HelloMsg hello;
  hello.role = Role::kWorker;
  hello.job = job;
  hello.task = task.task_id;
  hello.duty = duty;
  hello.language = "external";
  const bool honest = around_.sound || !wild_;
  external_workers_.push_back(
      {job, task.task_id, duty,
       std::make_unique<WorkerProcess>(
           &around_, hello, honest ? Character::Honest(random_) : Character::Wild(random_),
           [](int, int) {})});
}

bool World::Ended() const {
  if (clients_.size() < specs_.size() || !shell_.model().AllJobsEnded()) return false;
  return clock_.now() >= heal_at_ &&
         std::all_of(clients_.begin(), clients_.end(), [](const auto& c) { return c->done(); });
}

void World::CheckNothingIsLeft() {
  for (const auto& launcher : launchers_) {
    Require(launcher->running() == 0, "no process outlives its job",
            [&] { return fmt::format("{} still run", launcher->running()); });
  }
}

std::string World::Report(const std::string& violation) const {
  return fmt::format("seed {} at {:.6f} s\nviolated: {}\n\nthe last events:\n{}", options_.seed,
                     Duration{clock_.now().ns}.seconds(), violation, trace_.Tail());
}

}  // namespace bellis::sim
