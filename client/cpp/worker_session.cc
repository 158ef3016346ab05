#include "client/cpp/worker_session.h"

#include <unistd.h>

#include <algorithm>
#include <random>

#include "client/cpp/environment.h"
#include "client/cpp/no_broker.h"
#include "common/machine.h"

namespace bellis {
namespace {

constexpr Duration kWaitSlice = Duration::Millis(500);

/// Not 0, and hardly ever the same twice.
uint64_t NewSession() {
  std::random_device source;
  const uint64_t number = (uint64_t{source()} << 32 | source()) & INT64_MAX;
  return number == 0 ? 1 : number;
}

}  // namespace

WorkerSession::WorkerSession(WorkerOptions options, Connection connection)
    : options_(std::move(options)),
      connection_(std::move(connection)),
      worker_(options_.worker),
      job_(options_.job),
      task_(std::make_shared<const std::string>(options_.task)),
      session_(NewSession()),
      prefetch_(options_.prefetch) {}

WorkerSession::~WorkerSession() = default;

Result<std::shared_ptr<WorkerSession>> WorkerSession::Start(const WorkerOptions& options) {
  if (options.prefetch >= kWantMax) {
    return Error{ErrorCode::kLimit, "prefetch is " + std::to_string(options.prefetch) +
                                        "; at most " + std::to_string(kWantMax - 1)};
  }
  Result<Connection> connection = Connection::Open(options.endpoint, options.keys);
  if (!connection.ok()) return connection.error();
  auto session = std::make_shared<WorkerSession>(options, std::move(connection).value());
  const Instant until = ClientNow() + options.connect_timeout;
  Status sent = session->SendHello();
  if (!sent.ok()) return sent.error();
  while (!session->welcome_ && !session->left_) {
    Result<bool> heard = session->WaitAndHandle(until);
    Error failure =
        NoBrokerError(options.endpoint, options.connect_timeout, session->connection_.Trouble());
    if (!heard.ok()) failure = heard.error();
    if (heard.ok() && session->StopRequested()) {
      failure = Error{ErrorCode::kShuttingDown, "asked to stop while connecting"};
    } else if (heard.ok() && *heard) {
      continue;
    }
    session->connection_.Close(Duration());
    session->left_ = true;
    return failure;
  }
  return session;
}

Result<std::optional<LeasedBlock>> WorkerSession::Next() {
  const Instant waiting_since = ClientNow();
  // With blocks in stock, look whether the broker has called them back meanwhile.
  while (!left_ && !stock_.empty()) {
    Result<bool> heard = WaitAndHandle(Instant());
    if (!heard.ok()) return heard.error();
    if (!*heard) break;
  }
  for (;;) {
    if (!left_ && draining_ && stock_.empty()) {
      if (out_.empty()) Leave("drained");
      return std::optional<LeasedBlock>();
    }
    if (!left_ && pulse_ && pulse_->expired() && welcome_ && out_.empty()) {
      // Cut off for a whole lease, with nothing in hand: the broker may have given to others what
      // is in stock, and what was handed in and lost. It says so in its welcome.
      Status sent = SendHello();
      if (!sent.ok()) return sent.error();
    }
    if (left_) return std::optional<LeasedBlock>();
    if (welcome_) {
      Status sent = SendRequest();
      if (!sent.ok()) return sent.error();
    }
    if (!stock_.empty() && welcome_ && !(pulse_ && pulse_->expired())) {
      std::optional<LeasedBlock> block(stock_.front());
      stock_.pop_front();
      out_[block->lease] = {{block->lease, block->index, block->attempt}, greeting_};
      TellPulse();
      if (pulse_ && pulse_->expired()) {
        out_.clear();
        TellPulse();
        continue;
      }
      NoteWork();
      return block;
    }
    Result<bool> heard = WaitAndHandle(Instant::Never());
    if (!heard.ok()) return heard.error();
    if (*heard) continue;
    if (StopRequested()) {
      leave_reason_ = "asked to stop";
      Leave(leave_reason_);
      return std::optional<LeasedBlock>();
    }
    Status alive = KeepAlive(waiting_since);
    if (!alive.ok()) return alive.error();
  }
}

void WorkerSession::HandBack(BlockResult result, uint64_t greeting, bool at_once) {
  const auto out = out_.find(result.lease);
  if (out == out_.end() || out->second.greeting > greeting || left_) return;
  if (durable_) unstored_[result.lease] = {out->second.held, result};
  out_.erase(out);
  NoteWork();
  TellPulse();
  auto& release = std::get<ReleaseMsg>(release_);
  release.results.push_back(std::move(result));
  if (!at_once || !welcome_) return;
  release.want = 0;
  // A queue that is full empties, or the next Next says that it does not.
  if (connection_.Send(release_).ok()) release.results.clear();
}

void WorkerSession::SetStock(uint32_t prefetch) {
  prefetch_ = std::min(prefetch, kWantMax - 1);
  in_batches_ = true;
}

bool WorkerSession::Shed() {
  // What goes wrong here goes wrong in Next again, which can say so.
  for (Result<bool> heard = true; !left_ && heard.ok() && *heard;) heard = WaitAndHandle(Instant());
  if (left_ || !welcome_) return false;
  auto& release = std::get<ReleaseMsg>(release_);
  for (const LeasedBlock& block : stock_) {
    release.results.push_back({block.lease, BlockOutcome::kReturned, ""});
  }
  stock_.clear();
  TellPulse();
  release.want = 0;
  if (!release.results.empty() && connection_.Send(release_).ok()) release.results.clear();
  return wanted_ > 0;
}

void WorkerSession::Leave(const std::string& reason) {
  if (left_) return;
  left_ = true;
  auto& release = std::get<ReleaseMsg>(release_);
  release.want = 0;
  for (const LeasedBlock& block : stock_) {
    release.results.push_back({block.lease, BlockOutcome::kReturned, ""});
  }
  stock_.clear();
  // Nobody is left to be told when these fail; the broker counts what it does not hear of.
  if (welcome_ && !release.results.empty()) static_cast<void>(connection_.Send(release_).ok());
  static_cast<void>(connection_.Send(ByeMsg{reason}).ok());
}

Status WorkerSession::SendHello() {
  HelloMsg hello;
  hello.role = Role::kWorker;
  hello.token = options_.token;
  // After a first welcome: the same job and task as before, or none.
  hello.job = job_;
  hello.task = *task_;
  hello.worker = worker_;
  hello.duty = options_.duty;
  hello.language = options_.language;
  hello.host = HostName();
  hello.pid = ::getpid();
  hello.machine = MachineName();
  hello.session = session_;
  hello.greeting = ++hellos_;
  hello.heartbeat_ms = options_.heartbeat_ms;
  hello.held = AllHeld();
  hello_sent_ = BootTime();
  welcome_ = false;
  pinged_since_hello_ = false;
  return connection_.Send(hello);
}

Status WorkerSession::SendRequest() {
  const uint32_t target = draining_ ? 0 : 1 + prefetch_;
  const auto stocked = static_cast<uint32_t>(stock_.size());
  const bool enough = in_batches_ && stocked > 0 && 2 * (wanted_ + stocked) > target;
  if (enough && !draining_) return OkStatus();
  const uint32_t want = target - std::min(target, wanted_ + stocked);
  auto& release = std::get<ReleaseMsg>(release_);
  if (release.results.empty()) {
    if (want == 0) return OkStatus();
    std::get<AcquireMsg>(acquire_).want = want;
    Status sent = connection_.Send(acquire_);
    if (sent.ok()) wanted_ += want;
    return sent;
  }
  release.want = want;
  Status sent = connection_.Send(release_);
  if (sent.ok()) {
    wanted_ += want;
    release.results.clear();
  }
  return sent;
}

Result<bool> WorkerSession::WaitAndHandle(Instant until) {
  Duration slice = kWaitSlice;
  if (until != Instant::Never()) {
    slice = std::clamp(until - ClientNow(), Duration(), kWaitSlice);
  }
  Result<std::optional<Message>> received = connection_.Receive(slice);
  if (!received.ok()) return received.error();
  if (!received->has_value()) {
    return until != Instant::Never() && ClientNow() < until && !StopRequested();
  }
  Status handled = Handle(**received);
  if (!handled.ok()) return handled.error();
  return true;
}

Status WorkerSession::Handle(const Message& message) {
  last_heard_ = ClientNow();
  if (const auto* error = std::get_if<ErrorMsg>(&message)) return HandleError(*error);
  if (const auto* welcome = std::get_if<WelcomeMsg>(&message)) {
    HandleWelcome(*welcome);
  } else if (const auto* leave = std::get_if<LeaveMsg>(&message)) {
    leave_reason_ = leave->reason;
    stock_.clear();
    Leave("");
  } else if (const auto* drain = std::get_if<DrainMsg>(&message)) {
    draining_ = true;
    leave_reason_ = drain->reason;
  } else if (const auto* committed = std::get_if<CommittedMsg>(&message)) {
    HandleCommitted(*committed);
  } else if (const auto* work = std::get_if<WorkMsg>(&message)) {
    if (!welcome_) return OkStatus();  // leased to the connection that was
    for (const LeasedBlock& block : work->blocks) stock_.push_back(block);
    wanted_ -= std::min(wanted_, static_cast<uint32_t>(work->blocks.size()));
    if (stock_.size() > 1) TellPulse();  // else it is handed out at once
  }
  return OkStatus();
}

Status WorkerSession::HandleError(const ErrorMsg& error) {
  if (error.code == ErrorCode::kHelloFirst) {
    // Several of our messages may have met the same broker that did not know us; one hello does.
    if (!welcome_ && !pinged_since_hello_) return OkStatus();
    return SendHello();
  }
  const bool numbered_by_broker = worker_ != options_.worker;
  if (!welcome_ && error.code == ErrorCode::kUnknownWorker && numbered_by_broker) {
    worker_ = options_.worker;  // the broker that gave the number is no more
    return SendHello();
  }
  return Error{error.code, "the broker at " + options_.endpoint + " says: " + error.message};
}

void WorkerSession::HandleWelcome(const WelcomeMsg& welcome) {
  welcome_ = true;
  ++greeting_;
  worker_ = welcome.worker;
  job_ = welcome.job;
  if (*task_ != welcome.task) task_ = std::make_shared<const std::string>(welcome.task);
  durable_ = welcome.durable;
  wanted_ = 0;
  const auto ours = [&welcome](LeaseId lease) {
    return std::find(welcome.held.begin(), welcome.held.end(), lease) != welcome.held.end();
  };
  std::erase_if(stock_, [&](const LeasedBlock& block) { return !ours(block.lease); });
  std::erase_if(out_, [&](const auto& entry) { return !ours(entry.first); });
  if (note_) {
    note_->Renumber(worker_);
  } else {
    note_ = WorkNote::Claim(options_.work_page, worker_);
  }
  NoteWork();
  std::erase_if(unstored_, [&](const auto& entry) { return !ours(entry.first); });
  auto& results = std::get<ReleaseMsg>(release_).results;
  std::erase_if(results, [&](const BlockResult& result) { return !ours(result.lease); });
  for (const auto& [lease, unstored] : unstored_) {
    const auto same = [id = lease](const BlockResult& result) { return result.lease == id; };
    if (std::none_of(results.begin(), results.end(), same)) results.push_back(unstored.result);
  }
  if (welcome.lease_ms > 0 && !pulse_) {
    PulseOptions pulse;
    pulse.endpoint = options_.endpoint;
    pulse.token = options_.token;
    pulse.keys = options_.keys;
    pulse.worker = worker_;
    pulse.session = session_;
    pulse.lease_ms = welcome.lease_ms;
    pulse.heartbeat_ms = welcome.heartbeat_ms;
    pulse.hello_sent = hello_sent_;
    pulse.on_fence = options_.on_fence;
    pulse_ = std::make_unique<Pulse>(pulse);
  } else if (pulse_) {
    pulse_->Renew(worker_, session_, hello_sent_, welcome.lease_ms, welcome.heartbeat_ms);
  }
  TellPulse();
}

void WorkerSession::HandleCommitted(const CommittedMsg& committed) {
  for (const LeaseId lease : committed.leases) unstored_.erase(lease);
  for (const LeaseId lease : committed.dropped) unstored_.erase(lease);
  TellPulse();
  if (options_.on_committed && !committed.leases.empty()) options_.on_committed(committed.leases);
}

/// All that a hello lists.
std::vector<HeldLease> WorkerSession::AllHeld() const {
  std::vector<HeldLease> all;
  for (const auto& [lease, out] : out_) all.push_back(out.held);
  for (const LeasedBlock& block : stock_) all.push_back({block.lease, block.index, block.attempt});
  for (const auto& [lease, unstored] : unstored_) all.push_back(unstored.held);
  return all;
}

/// Before and after the user's code runs: it may end the process.
void WorkerSession::NoteWork() {
  if (!note_) return;
  if (out_.size() > 1) return note_->WorksOnSeveral();
  note_->WorksOn(out_.empty() ? LeaseId() : out_.begin()->first);
}

void WorkerSession::TellPulse() {
  if (pulse_) pulse_->SetHeld(AllHeld(), !out_.empty());
}

Status WorkerSession::KeepAlive(Instant waiting_since) {
  const Instant now = ClientNow();
  const Instant quiet_since = std::max(last_heard_, waiting_since);
  if (now - quiet_since >= options_.lost_timeout) {
    return Error{ErrorCode::kTimeout, "the broker at " + options_.endpoint +
                                          " has not been heard of for " +
                                          SecondsText(options_.lost_timeout)};
  }
  if (now - std::max(quiet_since, last_ping_) < options_.ping_interval) return OkStatus();
  last_ping_ = now;
  pinged_since_hello_ = true;
  return connection_.Send(PingMsg{});
}

bool WorkerSession::StopRequested() const {
  return options_.stop_requested && options_.stop_requested();
}

}  // namespace bellis
