#include "tools/conformance/stage.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/nesting.h"

namespace bellis::conformance {
namespace {

constexpr Duration kSlice = Duration::Millis(100);
// The last words of a process that has ended pass through two threads of libzmq.
constexpr Duration kLastWords = Duration::Millis(300);
constexpr size_t kOutputBytesMax = 2000;

bool StillItsOwn(const Handed& handed) {
  return handed.state == Handed::State::kHeld || handed.state == Handed::State::kDone;
}

}  // namespace

Environment Slow(int ms) { return {{"BELLIS_CONFORMANCE_MS", std::to_string(ms)}}; }

Environment Failing(int bytes) {
  return {{"BELLIS_CONFORMANCE_ERROR_BYTES", std::to_string(bytes)}};
}

Stage::Stage(StageOptions options) : options_(std::move(options)), begun_(Now()) {}

Stage::~Stage() = default;

void Stage::Start(Environment added, bool keys) {
  keys_ = keys;
  number_ = kGivenNumber;
  job_ = kJob;
  task_ = kTask;
  added["BELLIS_JOB"] = kJob;
  added["BELLIS_TASK"] = kTask;
  added["BELLIS_WORKER_ID"] = std::to_string(kGivenNumber);
  added["BELLIS_SLOT"] = "0";
  added[kNestingVariable] = "1";
  StartWith(std::move(added));
}

void Stage::StartExternal() { StartWith({}); }

void Stage::StartWith(Environment environment) {
  Result<std::unique_ptr<Wire>> wire = Wire::Make({options_.ipc, keys_});
  if (!wire.ok()) Break("the checker cannot play broker: " + wire.error().message);
  wire_ = std::move(wire).value();
  environment.merge(wire_->Variables());
  if (!keys_) environment["BELLIS_TOKEN"] = kToken;
  // A worker that gives up after 10 s could not be asked what it does then.
  environment["BELLIS_CONNECT_TIMEOUT"] = "120";
  std::string names;
  for (const auto& [name, value] : environment) {
    if (name.starts_with("BELLIS_CONFORMANCE")) names += " " + name + "=" + value;
  }
  Note("the worker is started" + (names.empty() ? "" : ":" + names));
  Result<WorkerProgram> program =
      WorkerProgram::Start(options_.command, std::move(environment), options_.tag);
  if (!program.ok()) Break(program.error().message);
  program_.emplace(std::move(program).value());
}

std::string Stage::OutputTail() const {
  return program_ ? program_->OutputTail(kOutputBytesMax) : "";
}

void Stage::Round(Instant until) {
  if (options_.interrupted && options_.interrupted()) throw Interrupted{};
  const Instant now = Now();
  if (program_ && ended_at_.ns == 0 && program_->Ended()) {
    ended_at_ = now;
    Note("the worker " + program_->EndText());
  }
  const int end_fd = program_ && ended_at_.ns == 0 ? program_->end_fd() : -1;
  if (const auto received = wire_->Receive(std::min(until, now + kSlice), end_fd)) {
    if (ended_at_.ns != 0) ended_at_ = Now();
    Handle(*received);
  } else if (ended_at_.ns != 0 && Now() > ended_at_ + kLastWords) {
    heard_all_ = true;
  }
}

void Stage::Await(const std::function<bool()>& holds, const std::string& what, Duration patience) {
  if (patience.ns == 0) patience = options_.patience;
  const Instant until = Now() + patience;
  while (!holds()) {
    if (heard_all_) Break("expected " + what + ", but the worker " + program_->EndText());
    if (Now() >= until) {
      Break(
          fmt::format("expected {}, and it did not come within {:g} s", what, patience.seconds()));
    }
    Round(until);
  }
}

void Stage::Listen(Duration time) {
  const Instant until = Now() + time;
  while (Now() < until) Round(until);
}

const HelloMsg& Stage::AwaitHello(Duration patience) {
  // The first one comes after the program has started, which takes long in some languages.
  if (hellos_.empty()) patience = options_.patience + options_.patience;
  Await([this] { return open_hello_; }, "a hello", patience);
  return hellos_.back();
}

uint32_t Stage::granted_lease_ms() const {
  return !hellos_.empty() && hellos_.back().heartbeat_ms > 0 ? options_.lease_ms : 0;
}

uint32_t Stage::granted_heartbeat_ms() const {
  return granted_lease_ms() == 0 ? 0 : std::min(hellos_.back().heartbeat_ms, options_.lease_ms / 4);
}

Json Stage::WelcomeFields(const HelloMsg& hello) const {
  Json fields = {{"version", kProtocolVersion}, {"broker", "bellis conformance"}};
  if (hello.role == Role::kWorker) {
    fields.update({{"job", kJob}, {"task", kTask}, {"worker", number_}});
  }
  if (granted_lease_ms() > 0) {
    fields["lease_ms"] = granted_lease_ms();
    fields["heartbeat_ms"] = granted_heartbeat_ms();
  }
  return fields;
}

void Stage::Welcome(const Terms& terms) {
  const HelloMsg hello = AwaitHello();
  if (terms.number) number_ = *terms.number;
  may_omit_job_ = options_.level == 0 && hello.job.empty();
  job_ = kJob;
  task_ = kTask;
  std::vector<uint64_t> held;
  for (const HeldLease& one : hello.held) {
    const uint64_t lease = one.lease.value;
    const auto known = leases_.find(lease);
    if (known != leases_.end() && StillItsOwn(known->second)) held.push_back(lease);
  }
  if (terms.held) held = *terms.held;
  for (auto& [lease, handed] : leases_) {
    const bool goes_on = std::count(held.begin(), held.end(), lease) > 0;
    if (!goes_on && handed.state != Handed::State::kCommitted) handed.state = Handed::State::kGone;
    if (goes_on) handed.state = Handed::State::kHeld;  // its result is to come (again)
  }
  Json fields = WelcomeFields(hello);
  if (terms.durable) fields["durable"] = true;
  if (!held.empty()) fields["held"] = held;
  fields.update(terms.more);
  open_hello_ = may_be_new_ = false;
  last_answered_ = hello_at_;
  connections_[worker_peer_].greeting = Greeting::kWelcome;
  SayTo(worker_peer_, "welcome", fields, terms.style);
}

Json Stage::MakeBlock(uint64_t lease, uint32_t attempt) const {
  const auto place = static_cast<int64_t>(lease - 100);
  return {{"lease", lease},
          {"index", lease + 100},
          {"id", lease + 200},
          {"read", {{10 * place - 2, -3, 0}, {14, 16, 1}}},
          {"write", {{10 * place, -1, 0}, {10, 12, 1}}},
          {"attempt", attempt}};
}

std::vector<uint64_t> Stage::Hand(size_t blocks, const Style& style, uint32_t attempt) {
  Await(
      [&] { return wanted_ >= blocks && !open_hello_; },
      blocks == 1 ? "that it asks for a block" : fmt::format("that it asks for {} blocks", blocks));
  std::vector<uint64_t> leases;
  Json list = Json::array();
  for (size_t i = 0; i < blocks; ++i) {
    const uint64_t lease = next_lease_++;
    leases.push_back(lease);
    list.push_back(MakeBlock(lease, attempt));
    leases_[lease] = {Handed::State::kHeld, lease + 100, attempt, Now()};
  }
  wanted_ -= static_cast<uint32_t>(blocks);
  SayTo(worker_peer_, "work", {{"blocks", list}}, style);
  return leases;
}

size_t Stage::held() const {
  return static_cast<size_t>(std::count_if(leases_.begin(), leases_.end(), [](const auto& one) {
    return one.second.state == Handed::State::kHeld;
  }));
}

void Stage::AwaitResults(Duration patience) {
  Await([this] { return held() == 0; }, "the results of all blocks", patience);
  for (const auto& [lease, handed] : leases_) {
    if (handed.result.outcome == BlockOutcome::kFailed) {
      throw NotShown{
          fmt::format("the worker's block failed: {}", handed.result.error.substr(0, 200))};
    }
  }
}

void Stage::AwaitBye() {
  Await([this] { return said_bye_; }, "bye");
}

void Stage::AwaitExit(bool with_zero) {
  Await([this] { return heard_all_; }, "that the worker exits");
  const bool zero = program_->exit_code() == 0;
  if (with_zero && !zero) Break("expected exit code 0, but the worker " + program_->EndText());
  if (!with_zero && zero) Break("expected an exit code other than 0, but the worker exited with 0");
}

void Stage::LeaveAndExit() {
  if (!said_bye_) Say("leave", {{"reason", "the task is done"}});
  AwaitBye();
  AwaitExit(true);
}

void Stage::OneBlockAndLeave() {
  Hand(1);
  AwaitResults();
  LeaveAndExit();
}

void Stage::SayError(const std::string& code, const std::string& text) {
  if (code == "hello_first") connections_.erase(worker_peer_);
  Say("error", {{"code", code}, {"message", text}, {"req", 0}});
}

void Stage::Say(const std::string& kind, const Json& fields, const Style& style) {
  SayTo(worker_peer_, kind, fields, style);
}

void Stage::Commit(const std::vector<uint64_t>& leases) {
  for (const uint64_t lease : leases) leases_[lease].state = Handed::State::kCommitted;
  Say("committed", {{"leases", leases}, {"dropped", Json::array()}});
}

void Stage::Note(const std::string& what) { Record(TraceLine::Kind::kNote, "", what); }

void Stage::Cut() {
  Note("the connections are cut");
  wire_->network().Cut();
}

void Stage::Hold() {
  Note("the connections of now stay open, but nothing passes any more");
  wire_->network().Hold();
}

void Stage::CutInTheNextFrame() {
  Note("the connections are cut in the middle of the next message");
  wire_->network().CutInTheNextFrame();
}

void Stage::StopBroker() {
  Note("the broker is killed");
  wire_->Close();
  connections_.clear();
  worker_peer_.clear();
}

void Stage::StartBroker() {
  Note("a broker is started again");
  wire_->Open();
}

void Stage::ForgetWorker() {
  may_be_new_ = true;
  number_ = kGivenNumber;
  for (auto& [lease, handed] : leases_) handed.state = Handed::State::kGone;
}

void Stage::Record(TraceLine::Kind kind, const std::string& who, const std::string& text) {
  trace_.push_back({Now() - begun_, kind, who, text});
}

}  // namespace bellis::conformance
