#include "tests/sim/worker_process.h"

#include <csignal>
#include <utility>

#include "common/protocol/task_grid.h"
#include "tests/sim/noise.h"

namespace bellis::sim {

Character Character::Honest(Random& random) {
  Character character;
  character.block_max = random.Between(Duration::Millis(2), Duration::Millis(800));
  character.prefetch = static_cast<uint32_t>(random.Chance(0.4) ? random.Pick(1, 3) : 0);
  return character;
}

Character Character::Wild(Random& random) {
  Character character = Honest(random);
  if (random.Chance(0.2)) character.block_max = Duration::Seconds(20);
  if (random.Chance(0.2)) character.start_max = Duration::Seconds(8);
  const auto sometimes = [&](double how_many, double most) {
    return random.Chance(how_many) ? most * 0.01 * static_cast<double>(random.Pick(1, 100)) : 0;
  };
  character.fails = random.Chance(0.03) ? 1 : sometimes(0.4, 0.3);
  character.crashes = sometimes(0.25, 0.2);
  character.hangs = sometimes(0.15, 0.1);
  character.quits = sometimes(0.1, 0.1);
  character.returns = sometimes(0.2, 0.3);
  character.lies = sometimes(0.3, 0.5);
  character.stillborn = sometimes(0.1, 0.5);
  character.mute = sometimes(0.05, 0.5);
  return character;
}

WorkerProcess::WorkerProcess(Surroundings* around, HelloMsg hello, Character character,
                             OnExit on_exit)
    : Actor(around),
      hello_(std::move(hello)),
      numbered_by_launcher_(hello_.worker.set()),
      character_(character),
      on_exit_(std::move(on_exit)),
      dealer_(around->network, [this](const Message& message) { OnMessage(message); }) {
  hello_.runs = random().Chance(0.4);
  if (hello_.runs && character_.prefetch > 0) character_.prefetch *= 8;
  Later(random().Between(Duration::Millis(1), character_.start_max), [this] {
    if (random().Chance(character_.stillborn)) {
      around_->Fault("worker-stillborn");
      return Exit(127);
    }
    if (random().Chance(character_.mute)) {
      around_->Fault("worker-mute");
      hanging_ = true;
      return;
    }
    if (random().Chance(character_.lies * 0.3)) dealer_.Send(AcquireMsg{1});  // before hello
    SayHello();
    KeepAlive();
  });
}

void WorkerProcess::Kill(int signal) {
  if (!alive()) return;
  EndLife();
  dealer_.Crash();
  on_exit_(0, signal);
}

void WorkerProcess::Exit(int code) {
  if (!alive()) return;
  EndLife();
  dealer_.Close();
  on_exit_(code, 0);
}

void WorkerProcess::SayHello() {
  welcome_ = false;
  hello_said_ = now();
  dealer_.Send(hello_);
}

/// The answer to a ping shows the worker that its connection is a new one.
void WorkerProcess::KeepAlive() {
  Later(Duration::Seconds(10), [this] {
    if (!busy_ && !hanging_) dealer_.Send(PingMsg{1});
    KeepAlive();
  });
}

void WorkerProcess::OnMessage(const Message& message) {
  if (!alive() || hanging_) return;
  if (busy_) {
    unread_.push_back(message);
  } else {
    Read(message);
  }
}

void WorkerProcess::Read(const Message& message) {
  if (const auto* error = std::get_if<ErrorMsg>(&message)) return ReadError(*error);
  if (const auto* welcome = std::get_if<WelcomeMsg>(&message)) {
    Welcomed(*welcome);
  } else if (const auto* work = std::get_if<WorkMsg>(&message)) {
    if (!welcome_) return;
    const auto blocks = Unfold(*work, tiling_);
    Require(blocks.ok(), "runs come to those who said so, of blocks that exist",
            [&] { return blocks.error().message; });
    for (const LeasedBlock& block : *blocks) {
      stock_.push_back(block);
      past_leases_.push_back(block.lease);
      if (wanted_ > 0) --wanted_;
    }
    StartNext();
  } else if (std::holds_alternative<LeaveMsg>(message)) {
    dealer_.Send(ByeMsg{""});
    Exit(0);
  } else if (std::holds_alternative<DrainMsg>(message)) {
    draining_ = true;
    StartNext();
  }
}

void WorkerProcess::Welcomed(const WelcomeMsg& welcome) {
  welcome_ = true;
  ++greeting_;
  hello_.worker = welcome.worker;
  duty_ = welcome.duty;
  hello_.job = welcome.job;
  hello_.task = welcome.task;
  tiling_.reset();
  if (welcome.grid) tiling_ = TilingOf(*welcome.grid).value();
  stock_.clear();
  done_.clear();
  wanted_ = 0;
  Ask();
}

void WorkerProcess::ReadError(const ErrorMsg& error) {
  if (error.code == ErrorCode::kHelloFirst) {
    // Several messages may have met a broker that did not know this worker; one hello is enough.
    if (welcome_ || now() > hello_said_ + Duration::Seconds(8)) SayHello();
  } else if (error.code == ErrorCode::kUnknownWorker) {
    if (numbered_by_launcher_ || !hello_.worker.set()) return Exit(1);
    hello_.worker = WorkerId();  // the broker gave the worker up: it comes back as a new one
    SayHello();
  } else if (error.code == ErrorCode::kUnknownJob || error.code == ErrorCode::kUnknownTask ||
             error.code == ErrorCode::kShuttingDown) {
    Exit(1);
  }
}

void WorkerProcess::Ask() {
  if (draining_) return;
  const uint32_t target = 1 + character_.prefetch;
  const auto have = static_cast<uint32_t>(stock_.size()) + wanted_;
  if (have >= target) return;
  dealer_.Send(AcquireMsg{target - have});
  wanted_ = target - static_cast<uint32_t>(stock_.size());
}

void WorkerProcess::StartNext() {
  if (busy_ || hanging_ || !alive()) return;
  if (stock_.empty()) {
    if (!draining_) return;
    dealer_.Send(ByeMsg{"drained"});
    return Exit(0);
  }
  const LeasedBlock block = stock_.front();
  stock_.pop_front();
  busy_ = true;
  working_ = block.lease;
  if (random().Chance(character_.hangs)) {
    around_->Fault("worker-hangs");
    hanging_ = true;
    return;
  }
  Later(random().Between(character_.block_min, character_.block_max),
        [this, block, greeting = greeting_] { Finish(block, greeting); });
}

void WorkerProcess::Finish(LeasedBlock block, uint64_t greeting) {
  busy_ = false;
  if (random().Chance(character_.crashes)) {
    around_->Fault("worker-crashes");
    return random().Chance(0.5) ? Kill(SIGSEGV) : Exit(3);
  }
  if (random().Chance(character_.quits)) {
    around_->Fault("worker-quits");
    if (random().Chance(0.7)) dealer_.Send(ByeMsg{"had enough"});
    return Exit(0);
  }
  working_ = LeaseId();
  // A block that was leased to the former connection is dropped; a liar releases it all the same.
  if (greeting == greeting_ || random().Chance(character_.lies)) {
    Release(ResultOf(block));
  }
  while (!unread_.empty() && alive() && !busy_) {
    const Message message = std::move(unread_.front());
    unread_.pop_front();
    Read(message);
  }
  if (!alive()) return;
  if (random().Chance(character_.lies)) Lie();
  StartNext();
}

BlockResult WorkerProcess::ResultOf(const LeasedBlock& block) {
  if (random().Chance(character_.returns)) {
    around_->Fault("block-returned");
    return {block.lease, BlockOutcome::kReturned, ""};
  }
  if (random().Chance(character_.fails)) {
    around_->Fault(duty_ == Duty::kWork ? "block-fails" : "check-fails");
    return {block.lease, BlockOutcome::kFailed, "no"};
  }
  bool yes = true;
  if (duty_ == Duty::kCheck) yes = OutputIsThere(block);
  if (duty_ == Duty::kPostCheck) yes = random().Chance(0.9);
  return {block.lease, yes ? BlockOutcome::kCompleted : BlockOutcome::kFailed, ""};
}

/// Whether the output of the block exists, as a checker sees it: for about one block in three, and
/// the same for every checker.
bool WorkerProcess::OutputIsThere(const LeasedBlock& block) const {
  uint64_t seed = block.index;
  for (const char c : hello_.job + "/" + hello_.task) seed = seed * 131 + static_cast<uint8_t>(c);
  return Random(seed).Chance(0.3);
}

void WorkerProcess::Release(BlockResult result) {
  if (tiling_ && result.outcome == BlockOutcome::kCompleted) {
    const bool follows =
        !done_.empty() && done_.back().lease.value + done_.back().count == result.lease.value;
    if (!follows) done_.push_back({result.lease, 0});
    ++done_.back().count;
    if (!stock_.empty() && random().Chance(0.7)) return;
  }
  ReleaseMsg release;
  release.runs = std::exchange(done_, {});
  if (!tiling_ || result.outcome != BlockOutcome::kCompleted) {
    release.results.push_back(std::move(result));
  }
  const uint32_t have = static_cast<uint32_t>(stock_.size()) + wanted_;
  if (!draining_ && have < 1 + character_.prefetch) {
    release.want = 1 + character_.prefetch - have;
    wanted_ += release.want;
  }
  dealer_.Send(release);
}

void WorkerProcess::Lie() {
  if (random().Chance(0.5)) return LieAboutLeases();
  LieAboutOtherThings();
}

void WorkerProcess::LieAboutLeases() {
  ReleaseMsg release;
  const std::vector<LeaseId> out = around_->leases_out();
  switch (random().Pick(0, 2)) {
    case 0:
      around_->Fault("release-late");  // late, or a second time
      for (int64_t i = random().Pick(1, 3); i > 0 && !past_leases_.empty(); --i) {
        release.results.push_back({random().Of(past_leases_), BlockOutcome::kCompleted, ""});
      }
      if (!past_leases_.empty() && random().Chance(0.5)) {
        const auto many = static_cast<uint32_t>(random().Chance(0.9) ? random().Pick(1, 40) : 600);
        for (int i = 0; i < 2; ++i) release.runs.push_back({random().Of(past_leases_), many});
      }
      break;
    case 1:
      around_->Fault("release-foreign");
      if (!out.empty())
        release.results.push_back({random().Of(out), BlockOutcome::kFailed, "mine"});
      break;
    default:
      around_->Fault("release-made-up");
      release.results.push_back({LeaseId(static_cast<uint64_t>(random().Pick(0, 1'000'000))),
                                 BlockOutcome::kReturned, ""});
  }
  dealer_.Send(release);
}

void WorkerProcess::LieAboutOtherThings() {
  switch (random().Pick(0, 6)) {
    case 0: around_->Fault("want-none"); return dealer_.Send(AcquireMsg{0});
    case 1:
      around_->Fault("want-too-much");
      return dealer_.Send(AcquireMsg{static_cast<uint32_t>(random().Pick(1020, 1030))});
    case 2: around_->Fault("wrong-role"); return dealer_.Send(StatusMsg{1, ""});
    case 3: around_->Fault("malformed"); return dealer_.SendBytes(Noise(random()));
    case 4: around_->Fault("hello-twice"); return SayHello();
    case 5:
      around_->Fault("bye-while-holding");
      dealer_.Send(ByeMsg{"not really"});
      return Ask();
    default:
      around_->Fault("want-more");
      dealer_.Send(AcquireMsg{static_cast<uint32_t>(random().Pick(1, 8))});
  }
}

}  // namespace bellis::sim
