#include "tests/sim/restart_world.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "tests/sim/job_maker.h"

namespace bellis::sim {

RestartWorld::RestartWorld(uint64_t seed, bool trace)
    : seed_(seed), random_(seed * 2 + 1), trace_(trace), network_(&clock_, &random_, &trace_) {
  around_ = {&clock_, &random_, &network_, &trace_, &tally_, [] { return std::vector<LeaseId>(); },
             false};
  options_.durable = true;
  options_.leases_aside = static_cast<uint64_t>(random_.Pick(4, 60));
  options_.workers_aside = static_cast<uint64_t>(random_.Pick(4, 20));
  options_.reconnect_window = Duration::Seconds(6);
  heal_at_ = Instant{} + random_.Between(Duration::Seconds(5), Duration::Seconds(90));
  silent_ = random_.Chance(0.3);
  notices_ = silent_ || random_.Chance(0.5);
  spec_ = MakeSpec();
  plain_ = LayOut(spec_);
  network_.to_broker = [this](RoutingId from, const std::string& bytes) { OnFrame(from, bytes); };
}

/// A job whose blocks all complete in the end, and whose workers come by themselves.
JobSpec RestartWorld::MakeSpec() {
  JobSpec spec = JobMaker(&random_).Make("0");
  spec.serial = false;
  for (TaskSpec& task : spec.tasks) {
    task.workers.clear();
    task.external_workers = true;
    task.unsafe_leases = false;
    task.check.reset();
    task.post_check.reset();
    task.timeout = Duration{};
    task.min_workers = 0;
    task.max_retries = 1000;
    task.max_failures.reset();
  }
  return spec;
}

void RestartWorld::Run() {
  network_.set_rough(true);
  StartBroker();
  clock_.At(heal_at_, [this] {
    trace_.Add(clock_.now(), "---- the faults have ceased");
    around_.sound = true;
    network_.set_rough(false);
  });
  PlanFault();
  VisitTasks();
  const Instant limit = heal_at_ + kPatience;
  while (!(Completed() && clock_.now() >= heal_at_) && clock_.RunNext()) {
    Require(steps_ < kStepsMax, "every run ends: in a bounded number of steps",
            [&] { return std::to_string(steps_); });
    Require(clock_.now() < limit, "every run ends: after the faults have stopped", [&] {
      std::string text;
      for (const JobStatus& job : life_->core->Jobs(clock_.now())) {
        for (const TaskStatus& task : job.tasks) {
          text += fmt::format("{} ready {} leased {} pending {} completed {}, workers {}; ",
                              task.task, task.counts.ready, task.counts.leased, task.counts.pending,
                              task.counts.completed, task.workers_live);
        }
      }
      return text;
    });
  }
  tally_.seeds = 1;
  tally_.steps = steps_;
  tally_.messages = network_.messages();
  tally_.blocks = plain_.blocks.size();
  tally_.virtual_ms = static_cast<uint64_t>(clock_.now().ns / 1'000'000);
  ++tally_.jobs["restarted"];
}

bool RestartWorld::Completed() const {
  const auto& jobs = disk_.jobs();
  return life_ && job_ && jobs.count(*job_) > 0 && jobs.at(*job_).state == JobState::kCompleted;
}

void RestartWorld::StartBroker() {
  options_.lease =
      Duration::Seconds(random_.Chance(0.7) ? 5 : static_cast<double>(random_.Pick(2, 8)));
  life_ = std::make_shared<Life>();
  life_->core = std::make_unique<BrokerCore>(options_);
  trace_.Add(clock_.now(), "---- the broker starts");
  Step(disk_.take_over());
  Submit();
}

/// Until the job is stored, its user submits it again.
void RestartWorld::Submit() {
  if (!disk_.jobs().empty()) return;
  HelloMsg hello;
  hello.role = Role::kClient;
  Step(Received{kClient, hello});
  Step(Received{kClient, SubmitMsg{1, spec_}});
}

/// Records that were not synced are lost, except for those that reached the disk before any peer
/// was told so.
void RestartWorld::KillBroker() {
  if (!life_) return;
  around_.Fault("broker-killed");
  trace_.Add(clock_.now(), "---- the broker is killed");
  const auto kept = static_cast<size_t>(
      random_.Pick(0, random_.Chance(0.5) ? 0 : static_cast<int64_t>(life_->unsynced.size())));
  for (size_t i = 0; i < kept; ++i) disk_.Take(life_->unsynced[i]);
  if (!disk_.jobs().empty()) job_ = disk_.jobs().begin()->first;
  life_.reset();
  const Instant back = clock_.now() + random_.Between(Duration::Millis(10), Duration::Seconds(3));
  for (const auto& worker : workers_) {
    if (!worker->alive()) continue;
    const Duration late = random_.Between(Duration::Millis(1), Duration::Millis(800));
    worker->dealer().Isolate(back + late, /*cut=*/true);
  }
  clock_.At(back, [this] { StartBroker(); });
}

void RestartWorld::OnFrame(RoutingId from, const std::string& bytes) {
  if (!life_) return;
  DecodeResult decoded = codec_.Decode({bytes.data(), bytes.size()});
  Require(decoded.ok(), "workers speak the protocol", [&] { return decoded.error().message; });
  auto peer = life_->peers.find(from);
  if (std::holds_alternative<HelloMsg>(decoded.message())) {
    if (peer == life_->peers.end()) {
      peer = life_->peers.emplace(from, PeerId(++life_->last_peer)).first;
      life_->routing_ids.emplace(peer->second, from);
    }
  } else if (peer == life_->peers.end()) {
    const auto answer = codec_.Encode(ErrorMsg{ErrorCode::kHelloFirst, "say hello first", 0});
    network_.SendToPeer(from, std::string(answer.begin(), answer.end()));
    return;
  }
  Step(Received{peer->second, std::move(decoded.message())});
}

void RestartWorld::Step(Event event) {
  life_->follow_ups.push_back(std::move(event));
  while (life_ && !life_->follow_ups.empty()) {
    const Event next = std::move(life_->follow_ups.front());
    life_->follow_ups.pop_front();
    StepOnce(next);
  }
  SetTimer();
}

void RestartWorld::StepOnce(const Event& event) {
  ++steps_;
  if (const auto* received = std::get_if<Received>(&event)) {
    trace_.Add(clock_.now(),
               fmt::format("peer {} -> {}", received->peer.value, Describe(received->message)));
  }
  life_->core->Step(clock_.now(), Event(event), &life_->effects);
  // Counting again at every Step would take most of the time.
  if (steps_ % 4 == 0) life_->core->CheckInvariants();
  const Effects& effects = life_->effects;
  if (trace_.verbose()) {
    for (const LogLine& line : effects.log) trace_.Add(clock_.now(), "     log: " + line.text);
  }
  for (const Record& record : effects.records) life_->unsynced.push_back(record);
  life_->appended += effects.records.size();
  if (!life_->unsynced.empty()) Commit(effects.commit_now);
  CheckLeaseIds(effects);
  for (const Send& send : effects.sends) Deliver(send);
  for (const PeerId peer : effects.forget) {
    const auto at = life_->routing_ids.find(peer);
    if (at == life_->routing_ids.end()) continue;
    life_->peers.erase(at->second);
    life_->routing_ids.erase(at);
  }
}

void RestartWorld::CheckLeaseIds(const Effects& effects) {
  std::set<uint64_t> now;
  for (const Send& send : effects.sends) {
    const auto* work = std::get_if<WorkMsg>(&send.message);
    if (work == nullptr) continue;
    for (const LeaseId id : LeasesOf(*work)) {
      const uint64_t lease = id.value;
      ++tally_.leases;
      Require(lease > last_lease_ && now.insert(lease).second, "tokens: lease ids only grow",
              [&] { return fmt::format("{} after {}", lease, last_lease_); });
    }
  }
  if (!now.empty()) last_lease_ = *now.rbegin();
}

void RestartWorld::Deliver(const Send& send) {
  trace_.Add(clock_.now(),
             fmt::format("     peer {} <- {}", send.to.value, Describe(send.message)));
  if (send.to == kClient) {
    if (const auto* explained = std::get_if<ExplainedMsg>(&send.message)) {
      VouchFor(explained->summary);
    }
    if (const auto* error = std::get_if<ErrorMsg>(&send.message)) {
      const bool expected = error->code == ErrorCode::kWorkerAlive ||
                            error->code == ErrorCode::kUnknownWorker || Completed();
      Require(expected, "a client's question is answered", [&] { return error->message; });
    }
    if (std::holds_alternative<SubmittedMsg>(send.message)) {
      Require(!disk_.jobs().empty(), "a job is on disk before a client gets its id",
              [] { return ""; });
      job_ = disk_.jobs().begin()->first;
    }
    return;
  }
  const auto to = life_->routing_ids.find(send.to);
  if (to == life_->routing_ids.end()) return;
  PeerGone gone{send.to, {}};
  if (const auto* work = std::get_if<WorkMsg>(&send.message)) {
    gone.undelivered = LeasesOf(*work);
  }
  const auto bytes = codec_.Encode(send.message);
  const auto sent = network_.SendToPeer(to->second, std::string(bytes.begin(), bytes.end()));
  if (sent == Network::Sent::kUnroutable) life_->follow_ups.push_back(std::move(gone));
}

/// A commit takes the records that are there when it begins.
void RestartWorld::Commit(bool now) {
  if (std::exchange(life_->committing, true)) return;
  Duration wait = random_.Between(Duration::Millis(now ? 1 : 30), Duration::Millis(now ? 20 : 80));
  if (!around_.sound && random_.Chance(0.02)) wait = Duration::Seconds(2);  // a slow or full disk
  clock_.After(wait, [this, life = std::weak_ptr<Life>(life_)] {
    if (!life.expired()) Sync();
  });
}

void RestartWorld::Sync() {
  if (!around_.sound && random_.Chance(0.02)) {
    around_.Fault("disk-full");
    life_->committing = false;
    if (!std::exchange(life_->trouble, true)) Step(StoreTrouble{"no room"});
    if (life_) Commit(false);
    return;
  }
  for (const Record& record : std::exchange(life_->unsynced, {})) disk_.Take(record);
  life_->durable = life_->appended;
  life_->committing = false;
  if (std::exchange(life_->trouble, false)) Step(StoreTrouble{""});
  if (life_) Step(Committed{life_->durable});
}

void RestartWorld::SetTimer() {
  if (!life_) return;
  const uint64_t timer = ++life_->timer;
  const Effects& effects = life_->effects;
  if (!effects.more_work && effects.next_deadline == Instant::Never()) return;
  const Instant due = effects.more_work ? clock_.now() + Duration::Millis(1)
                                        : std::max(effects.next_deadline, clock_.now());
  clock_.At(due, [this, timer, life = std::weak_ptr<Life>(life_)] {
    const auto still = life.lock();
    if (still && still == life_ && still->timer == timer) Step(TimePassed{});
  });
}

std::string RestartWorld::Report(const std::string& violation) const {
  return fmt::format("restarts, seed {} at {:.6f} s\nviolated: {}\n\nthe last events:\n{}", seed_,
                     Duration{clock_.now().ns}.seconds(), violation, trace_.Tail());
}

}  // namespace bellis::sim
