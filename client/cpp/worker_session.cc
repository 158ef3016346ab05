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
constexpr Duration kWaitSliceMin = Duration::Millis(1);
/// Whoever calls later than that first looks what the broker has said meanwhile.
constexpr Duration kLookAfter = Duration::Millis(1);
/// The same with blocks in stock, where runs come: each look costs as much as such a block.
constexpr Duration kLookAfterInRuns = {100'000};
constexpr Duration kByeWait = Duration::Seconds(1);
/// How long a result may wait for others.
constexpr Duration kHandInAfter = Duration::Millis(1);
/// With so many results that are not stored no more blocks are asked for: a hello lists them all.
constexpr size_t kUnstoredMax = 1 << 14;

}  // namespace

uint64_t WorkerSession::NewSession() {
  std::random_device source;
  const uint64_t number = (uint64_t{source()} << 32 | source()) & INT64_MAX;
  return number == 0 ? 1 : number;
}

WorkerSession::WorkerSession(WorkerOptions options, Connection connection)
    : options_(std::move(options)),
      connection_(std::move(connection)),
      generation_(ForkGeneration()),
      wait_slice_(std::clamp(options_.ping_interval, kWaitSliceMin, kWaitSlice)),
      worker_(options_.worker),
      job_(options_.job),
      task_(std::make_shared<const std::string>(options_.task)),
      session_(NewSession()),
      prefetch_(options_.prefetch.value_or(0)) {}

WorkerSession::~WorkerSession() {
  if (!is_inherited()) return;
  static_cast<void>(pulse_.release());  // its threads are not in this process
  connection_.Abandon();
}

Result<std::shared_ptr<WorkerSession>> WorkerSession::Open(const WorkerOptions& options) {
  if (options.prefetch.value_or(0) >= kWantMax) {
    return Error{ErrorCode::kLimit, "prefetch is " + std::to_string(*options.prefetch) +
                                        "; at most " + std::to_string(kWantMax - 1)};
  }
  Result<Connection> connection = Connection::Open(options.endpoint, options.keys);
  if (!connection.ok()) return connection.error();
  return std::make_shared<WorkerSession>(options, std::move(connection).value());
}

Status WorkerSession::Greet() {
  Status sent = SendHello();
  if (!sent.ok()) return sent.error();
  AwaitWelcome(options_.connect_timeout);
  if (welcome_ || leaving_) return OkStatus();
  Error failure = NoBrokerError(options_.endpoint, options_.connect_timeout, connection_.Trouble());
  if (fatal_) {
    failure = *fatal_;
  } else if (StopRequested()) {
    failure = Error{ErrorCode::kShuttingDown, "asked to stop while connecting"};
  }
  connection_.Close(Duration());
  left_ = true;
  return failure;
}

Result<std::optional<LeasedBlock>> WorkerSession::Next() {
  if (is_inherited()) {
    return Error{ErrorCode::kIo,
                 "this worker belongs to another process, and this is its forked child: make a "
                 "worker of its own in each process"};
  }
  TellLater();
  const std::optional<LeasedBlock> none;
  Duration silent;  // counted, since clocks go on while this process is stopped
  silent_at_ping_ = Duration();
  // With blocks in stock, look whether the broker has called them back meanwhile.
  const bool often = !stock_.empty();
  if ((often && !takes_runs()) || ClientNow() - looked_ > (often ? kLookAfterInRuns : kLookAfter)) {
    HandleArrived();
  }
  for (;;) {
    if (fatal_) return *fatal_;
    if (left_) return none;
    if (draining_ && welcome_ && !stock_.empty()) ReturnStock();
    if (leaving_ || (draining_ && stock_.empty())) {
      if (out_.empty()) Leave(leaving_ ? "" : "drained");
      return none;
    }
    if (pulse_ && pulse_->expired() && welcome_ && out_.empty()) {
      // Cut off for a whole lease, with nothing in hand: the broker may have given to others what
      // is in stock, and what was handed in and lost. It says so in its welcome.
      Status sent = SendHello();
      if (!sent.ok()) return sent.error();
    }
    if (welcome_) {
      Status sent = SendRequest();
      if (!sent.ok()) return sent.error();
    }
    if (!stock_.empty() && welcome_ && !(pulse_ && pulse_->expired())) {
      if (std::optional<LeasedBlock> block = TakeFirst()) return block;
      continue;
    }
    // A signal that came after the request was sent does not end the wait that begins now.
    if (StopRequested()) return none;
    const Instant before = ClientNow();
    Result<bool> heard = WaitAndHandle(Instant::Never());
    if (!heard.ok()) return heard.error();
    if (*heard) {
      silent = silent_at_ping_ = Duration();
      continue;
    }
    if (StopRequested()) return none;
    silent = silent + std::min(ClientNow() - before, wait_slice_);
    Status alive = KeepAlive(silent);
    if (!alive.ok()) return alive.error();
  }
}

std::optional<LeasedBlock> WorkerSession::NextInStock() {
  const bool goes_on = welcome_ && !draining_ && !leaving_ && !left_ && !fatal_;
  if (is_inherited() || !goes_on || stock_.empty()) return std::nullopt;
  return TakeFirst();
}

/// The first block of the stock. nullopt if its lease has just ended.
std::optional<LeasedBlock> WorkerSession::TakeFirst() {
  std::optional<LeasedBlock> block(stock_.TakeFirst());
  out_[block->lease] = {{block->lease, block->index, block->attempt}, greeting_};
  NoteWork();
  if (!pulse_ || !pulse_->expired()) return block;
  out_.erase(block->lease);
  LetGo(block->lease);
  NoteWork();
  return std::nullopt;
}

void WorkerSession::HandBack(BlockResult result, uint64_t greeting, Sent when) {
  if (is_inherited() || left_) return;
  TellLater();
  auto out = out_.find(result.lease);
  if (out == out_.end() || out->second.greeting > greeting) return;
  const Instant now = ClientNow();
  if (now - looked_ > kLookAfter) {
    HandleArrived();
    out = out_.find(result.lease);
    if (out == out_.end()) return;
  }
  // Without a welcome it is not known whether the broker is a durable one.
  const bool in_run = takes_runs() && result.outcome == BlockOutcome::kCompleted;
  if (!durable_ && welcome_) {
    LetGo(result.lease);
  } else if (in_run) {
    unstored_done_.Add(out->second.held);
  } else {
    unstored_[result.lease] = {out->second.held, result};
  }
  out_.erase(out);
  NoteWork();
  auto& release = std::get<ReleaseMsg>(release_);
  if (in_run) {
    AddToRuns(result.lease, &release.runs);
  } else {
    release.results.push_back(std::move(result));
  }
  const bool late = now - sent_ > kHandInAfter;
  if (when == Sent::kWithRequest || (when == Sent::kSoon && in_run && !late)) return;
  if (!welcome_) AwaitWelcome(options_.connect_timeout);
  SendResults();
}

void WorkerSession::SetStock(uint32_t prefetch) {
  prefetch_ = std::min(prefetch, kWantMax - 1);
  in_batches_ = true;
}

bool WorkerSession::Shed() {
  // What goes wrong here goes wrong in Next again, which can say so.
  if (left_) return false;
  sheds_ = true;
  HandleArrived();
  sheds_ = false;
  if (left_ || leaving_ || fatal_ || !welcome_) return false;
  ReturnStock();
  return wanted_ > 0;
}

void WorkerSession::Forgo() {
  // A hello is the only message that takes back what was asked for. If it cannot be sent, the
  // broker knows this worker as before.
  if (Shed() && !SendHello().ok()) welcome_ = true;
}

void WorkerSession::Leave(const std::string& reason) {
  if (left_ || is_inherited()) return;
  if (!welcome_ && HasResults()) {
    AwaitWelcome(std::min(kByeWait, options_.connect_timeout));
  }
  left_ = true;
  if (leave_reason_.empty()) leave_reason_ = reason;
  // Nobody is left to be told when these fail; the broker counts what it does not hear of.
  if (welcome_) ReturnStock();
  // A block that is on its way goes back as it was, since this hello does not list it.
  if (welcome_ && wanted_ > 0 && !leaving_ && !draining_ && !fatal_) {
    static_cast<void>(SendHello().ok());
  }
  static_cast<void>(connection_.Send(ByeMsg{reason}).ok());
}

void WorkerSession::NoteSilence() {
  if (unanswered_pings_ == 1) {
    Notice(Severity::kWarning,
           "the broker at " + options_.endpoint + " does not answer; waiting for it");
  }
  ++unanswered_pings_;
}

Status WorkerSession::Ping() {
  NoteSilence();
  pinged_since_hello_ = true;
  return connection_.Send(PingMsg{++pings_});
}

bool WorkerSession::AwaitMessage(Duration timeout) { return connection_.Wait(timeout, -1); }

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
  hello.runs = true;
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
  const bool full = unstored_done_.size() > kUnstoredMax;
  const uint32_t want = full ? 0 : target - std::min(target, wanted_ + stocked);
  auto& release = std::get<ReleaseMsg>(release_);
  if (!HasResults()) {
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
    release.runs.clear();
    sent_ = ClientNow();
  }
  return sent;
}

void WorkerSession::SendResults() {
  auto& release = std::get<ReleaseMsg>(release_);
  if (!welcome_ || !HasResults()) return;
  release.want = 0;
  // A queue that is full empties, or the next Next says that it does not.
  if (!connection_.Send(release_).ok()) return;
  release.results.clear();
  release.runs.clear();
  sent_ = ClientNow();
}

bool WorkerSession::HasResults() const {
  const auto& release = std::get<ReleaseMsg>(release_);
  return !release.results.empty() || !release.runs.empty();
}

/// As not started, together with results that are still here.
void WorkerSession::ReturnStock() {
  std::vector<HeldLease> all;
  stock_.AppendTo(&all);
  for (const HeldLease& held : all) {
    std::get<ReleaseMsg>(release_).results.push_back({held.lease, BlockOutcome::kReturned, ""});
    LetGo(held.lease);
  }
  stock_.Clear();
  SendResults();
}

/// All that a hello lists.
std::vector<HeldLease> WorkerSession::AllHeld() const {
  std::vector<HeldLease> all;
  for (const auto& [lease, out] : out_) all.push_back(out.held);
  stock_.AppendTo(&all);
  for (const auto& [lease, unstored] : unstored_) all.push_back(unstored.held);
  unstored_done_.AppendTo(&all);
  return all;
}

/// Before and after the user's code runs: it may end the process.
void WorkerSession::NoteWork() {
  if (pulse_) pulse_->SetWorking(!out_.empty());
  if (!note_) return;
  if (out_.size() > 1) return note_->WorksOnSeveral();
  note_->WorksOn(out_.empty() ? LeaseId() : out_.begin()->first);
}

void WorkerSession::LetGo(const LeaseRun& leases) {
  if (pulse_) pulse_->LetGo(leases);
}

Status WorkerSession::KeepAlive(Duration silent) {
  if (silent >= options_.lost_timeout) {
    return Error{ErrorCode::kTimeout,
                 "the broker at " + options_.endpoint + " has not been heard of for " +
                     SecondsText(options_.lost_timeout) + " (BELLIS_LOST_TIMEOUT)"};
  }
  if (silent.ns - silent_at_ping_.ns < options_.ping_interval.ns) return OkStatus();
  silent_at_ping_ = silent;
  if (welcome_ && unanswered_pings_ == 0) return Ping();
  // The connection may be one that nobody holds at the other end.
  NoteSilence();
  Status reopened = connection_.Reopen();
  return reopened.ok() ? SendHello() : reopened;
}

bool WorkerSession::StopRequested() const {
  return options_.stop_requested && options_.stop_requested();
}

}  // namespace bellis
