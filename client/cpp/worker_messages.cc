// What a worker makes of the messages of its broker.

#include <algorithm>
#include <cstdio>
#include <utility>

#include "client/cpp/worker_session.h"

namespace bellis {
namespace {

// A broker that is busy is not asked again and again.
constexpr Duration kHelloAgainMin = Duration::Seconds(1);

/// After one of these the worker cannot go on.
bool IsFatal(ErrorCode code) {
  switch (code) {
    case ErrorCode::kUnauthorized:
    case ErrorCode::kUnknownJob:
    case ErrorCode::kUnknownTask:
    case ErrorCode::kUnknownWorker:
    case ErrorCode::kVersion:
    case ErrorCode::kWrongRole: return true;
    default: return false;
  }
}

}  // namespace

Result<bool> WorkerSession::WaitAndHandle(Instant until) {
  Duration slice = wait_slice_;
  if (until != Instant::Never()) {
    slice = std::clamp(until - ClientNow(), Duration(), wait_slice_);
  }
  Result<std::optional<Message>> received = connection_.Receive(slice);
  looked_ = ClientNow();
  if (!received.ok()) {
    fatal_ = received.error();
    refused_ = false;
    return *fatal_;
  }
  if (!received->has_value()) {
    return until != Instant::Never() && ClientNow() < until && !StopRequested();
  }
  Status handled = Handle(**received);
  if (!handled.ok()) {
    fatal_ = handled.error();
    return *fatal_;
  }
  return true;
}

void WorkerSession::HandleArrived() {
  while (!left_ && !fatal_) {
    const Result<bool> heard = WaitAndHandle(Instant());
    if (!heard.ok() || !*heard) return;
  }
}

void WorkerSession::AwaitWelcome(Duration timeout) {
  const Instant until = ClientNow() + timeout;
  const Duration silence = std::max(options_.ping_interval, kHelloAgainMin);
  Instant again = ClientNow() + silence;
  while (!welcome_ && !leaving_ && !left_ && !fatal_) {
    const Result<bool> heard = WaitAndHandle(until);
    if (!heard.ok() || !*heard) return;
    if (welcome_ || ClientNow() < again) continue;
    static_cast<void>(SendHello().ok());  // the last one was lost with its connection, perhaps
    again = ClientNow() + silence;
  }
}

Status WorkerSession::Handle(const Message& message) {
  if (unanswered_pings_ > 1) {
    Notice(Severity::kWarning, "the broker at " + options_.endpoint + " answers again");
  }
  unanswered_pings_ = 0;
  if (const auto* error = std::get_if<ErrorMsg>(&message)) return HandleError(*error);
  if (const auto* welcome = std::get_if<WelcomeMsg>(&message)) return HandleWelcome(*welcome);
  if (const auto* leave = std::get_if<LeaveMsg>(&message)) {
    leave_reason_ = leave->reason;
    leaving_ = true;
    std::vector<HeldLease> lost;  // the broker has taken it back
    stock_.AppendTo(&lost);
    for (const HeldLease& held : lost) LetGo(held.lease);
    stock_.Clear();
    Notice(Severity::kInfo, "the broker asks this worker to leave: " + leave->reason);
  } else if (const auto* drain = std::get_if<DrainMsg>(&message)) {
    leave_reason_ = drain->reason;
    draining_ = true;
    Notice(Severity::kInfo, "the broker asks this worker to drain: " + drain->reason);
  } else if (const auto* committed = std::get_if<CommittedMsg>(&message)) {
    HandleCommitted(*committed);
  } else if (const auto* work = std::get_if<WorkMsg>(&message)) {
    if (!welcome_) return OkStatus();  // leased to the connection that was
    const size_t before = stock_.size();
    Status added = stock_.Add(*work);
    if (!added.ok()) return added;
    wanted_ -= std::min(wanted_, static_cast<uint32_t>(stock_.size() - before));
    if (pulse_) pulse_->Hold(*work);
  }
  return OkStatus();
}

Status WorkerSession::HandleError(const ErrorMsg& error) {
  if (error.code == ErrorCode::kHelloFirst) {
    // Several of our messages may have met the same broker that did not know us; one hello does.
    if (!welcome_ && !pinged_since_hello_) return OkStatus();
    if (welcome_) {
      const size_t held = out_.size() + stock_.size();
      Notice(Severity::kWarning, "the connection to the broker at " + options_.endpoint +
                                     " was lost, saying hello again with " + std::to_string(held) +
                                     (held == 1 ? " block held" : " blocks held"));
    }
    return SendHello();
  }
  const bool numbered_by_broker = worker_ != options_.worker;
  if (error.code == ErrorCode::kUnknownWorker && numbered_by_broker) {
    // The broker that gave the number is no more: this worker comes as a new one.
    worker_ = options_.worker;
    session_ = NewSession();
    hellos_ = 0;
    KeepOnly({});
    if (pulse_) pulse_->SetHeld({});
    NoteWork();
    return SendHello();
  }
  if (welcome_ && !IsFatal(error.code)) {
    Notice(Severity::kError, "the broker refused a message of this worker: " + error.message +
                                 " (" + ErrorCodeName(error.code) + ")");
    return OkStatus();
  }
  refused_ = true;
  if (!error.message.empty()) return Error{error.code, error.message};
  return Error{error.code, std::string("refused with ") + ErrorCodeName(error.code)};
}

Status WorkerSession::HandleWelcome(const WelcomeMsg& welcome) {
  if (welcome.version != kProtocolVersion) {
    refused_ = false;
    return Error{ErrorCode::kVersion,
                 "the broker speaks version " + std::to_string(welcome.version) +
                     " of the protocol: expected " + std::to_string(kProtocolVersion)};
  }
  if (welcome_) return OkStatus();  // to a hello that was said twice: it took nothing back since
  welcome_ = true;
  ++greeting_;
  broker_ = welcome.broker;
  worker_ = welcome.worker;
  slot_ = welcome.slot;
  job_ = welcome.job;
  if (*task_ != welcome.task) task_ = std::make_shared<const std::string>(welcome.task);
  durable_ = welcome.durable;
  wanted_ = 0;
  const Status grid = stock_.SetGrid(welcome.grid);
  if (!grid.ok()) Notice(Severity::kError, grid.error().message);
  KeepOnly(welcome.held);
  if (note_) {
    note_->Renumber(worker_);
  } else {
    note_ = WorkNote::Claim(options_.work_page, worker_);
  }
  HandInAgain();
  if (pulse_) {
    pulse_->Renew(worker_, session_, hello_sent_, welcome.lease_ms, welcome.heartbeat_ms);
  } else if (welcome.lease_ms > 0 && options_.heartbeat_ms > 0) {
    StartPulse(welcome);
  }
  if (pulse_) pulse_->SetHeld(AllHeld());
  NoteWork();
  return OkStatus();
}

void WorkerSession::HandInAgain() {
  auto& release = std::get<ReleaseMsg>(release_);
  for (const auto& [lease, unstored] : unstored_) {
    const auto same = [id = lease](const BlockResult& result) { return result.lease == id; };
    if (std::none_of(release.results.begin(), release.results.end(), same)) {
      release.results.push_back(unstored.result);
    }
  }
  release.runs.clear();  // those that are still ours are among the others
  std::vector<LeaseRun> runs;
  unstored_done_.AppendTo(&runs);
  if (!takes_runs()) {
    for (const LeaseRun& run : std::exchange(runs, {})) {
      for (uint32_t i = 0; i < run.count; ++i) {
        release.results.push_back({LeaseId(run.lease.value + i), BlockOutcome::kCompleted, ""});
      }
    }
  }
  uint64_t leases = 0;
  for (const LeaseRun& run : runs) {
    leases += run.count;
    if (leases > kWantMax) {
      SendResults();
      leases = run.count;
    }
    release.runs.push_back(run);
  }
  if (durable_) return;
  unstored_.clear();
  unstored_done_.Clear();
}

void WorkerSession::KeepOnly(std::vector<LeaseId> ours) {
  std::sort(ours.begin(), ours.end());
  const auto is_ours = [&ours](LeaseId lease) {
    return std::binary_search(ours.begin(), ours.end(), lease);
  };
  stock_.KeepOnly(ours);
  unstored_done_.KeepOnly(ours);
  const size_t lost = std::erase_if(out_, [&](const auto& entry) { return !is_ours(entry.first); });
  std::erase_if(unstored_, [&](const auto& entry) { return !is_ours(entry.first); });
  std::erase_if(std::get<ReleaseMsg>(release_).results,
                [&](const BlockResult& result) { return !is_ours(result.lease); });
  if (lost > 0) {
    Notice(Severity::kWarning,
           "blocks held meanwhile (" + std::to_string(lost) + ") are no longer this worker's");
  }
}

void WorkerSession::StartPulse(const WelcomeMsg& welcome) {
  PulseOptions pulse;
  pulse.endpoint = options_.endpoint;
  pulse.token = options_.token;
  pulse.keys = options_.keys;
  pulse.worker = worker_;
  pulse.session = session_;
  pulse.lease_ms = welcome.lease_ms;
  pulse.heartbeat_ms = welcome.heartbeat_ms > 0 ? welcome.heartbeat_ms : options_.heartbeat_ms;
  pulse.hello_sent = hello_sent_;
  pulse.on_fence = options_.on_fence;
  pulse_ = std::make_unique<Pulse>(pulse);
}

void WorkerSession::HandleCommitted(const CommittedMsg& committed) {
  for (const auto* leases : {&committed.leases, &committed.dropped}) {
    for (const LeaseId lease : *leases) {
      NoteStored({lease, 1});
    }
  }
  for (const LeaseRun& run : committed.runs) NoteStored(run);
  if (!committed.dropped.empty()) {
    Notice(Severity::kWarning, "the results of " + std::to_string(committed.dropped.size()) +
                                   " blocks were not taken: their leases were over");
  }
  if (!options_.on_committed) return;
  std::vector<LeaseId> leases = committed.leases;
  for (const LeaseRun& run : committed.runs) {
    for (uint32_t i = 0; i < run.count; ++i) leases.emplace_back(run.lease.value + i);
  }
  if (leases.empty()) return;
  Tell([this, stored = std::move(leases)] { options_.on_committed(stored); });
}

/// The broker has stored these results, so a later hello does not list them.
void WorkerSession::NoteStored(const LeaseRun& leases) {
  const LeaseId end(leases.lease.value + leases.count);
  unstored_.erase(unstored_.lower_bound(leases.lease), unstored_.lower_bound(end));
  unstored_done_.Remove(leases);
  LetGo(leases);
}

void WorkerSession::Notice(Severity severity, const std::string& sentence) {
  if (options_.on_notice) {
    Tell([this, severity, sentence] { options_.on_notice(severity, sentence); });
  } else if (severity != Severity::kInfo) {
    std::fprintf(stderr, "bellis: %s\n", sentence.c_str());
  }
}

void WorkerSession::Tell(std::function<void()> call) {
  if (!sheds_) return call();
  later_.push_back(std::move(call));
}

void WorkerSession::TellLater() {
  for (const auto& call : std::exchange(later_, {})) call();
}

}  // namespace bellis
