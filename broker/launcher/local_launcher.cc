#include "broker/launcher/local_launcher.h"

#include <fmt/format.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <zmq.hpp>

#include "broker/launcher/launch_command.h"
#include "broker/launcher/launcher_session.h"
#include "broker/launcher/launcher_socket.h"
#include "broker/launcher/parent_watch.h"
#include "broker/launcher/process_table.h"
#include "broker/launcher/process_tree.h"
#include "broker/launcher/signal_descriptor.h"
#include "common/host_address.h"
#include "common/machine.h"
#include "common/threads.h"

namespace bellis {
namespace {

// After the parent's death: from TERM to KILL, and until the launcher stops waiting.
constexpr Duration kOrphanGrace = Duration::Millis(500);
constexpr Duration kOrphanBound = Duration::Millis(1500);
constexpr Duration kOrphanPingInterval = Duration::Millis(500);
// How long a leaving launcher waits after KILL for processes that hang in the kernel.
constexpr Duration kLeavePatience = Duration::Millis(3000);
// How long the `bye` may take to leave the process; most often nobody listens.
constexpr Duration kOrphanLinger = Duration::Millis(100);
constexpr Duration kWaitMax = Duration::Seconds(3600);
// The threads that libzmq starts in this process.
constexpr int kThreads = 2;
// At most this many messages are handled before signals and the parent are checked again.
constexpr int kMessagesPerTurn = 16;
constexpr Duration kTrimLogs = Duration::Seconds(5);
// A warning is logged when the broker has not answered for this long.
constexpr Duration kSilenceWarning = Duration::Millis(5000);
// The first messages that are ignored are logged; then only the 16th, 32nd, 64th ...
constexpr uint64_t kIgnoredLinesMax = 10;

Instant Now() {
  return {std::chrono::duration_cast<std::chrono::nanoseconds>(
              std::chrono::steady_clock::now().time_since_epoch())
              .count()};
}

HelloMsg MakeHello(const LocalLauncherOptions& options) {
  HelloMsg hello;
  hello.role = Role::kLauncher;
  hello.token = options.access.token;
  hello.host = HostName();
  hello.pid = getpid();
  hello.machine = MachineName();
  hello.former_pid = options.former_pid;
  return hello;
}

class LocalLauncher {
 public:
  explicit LocalLauncher(const LocalLauncherOptions& options)
      : options_(options),
        signal_fd_(SignalDescriptor()),  // before libzmq starts its threads, which inherit the mask
        parent_(options.parent_fd, options.parent_pid),
        started_at_(Now()),
        session_(MakeHello(options), started_at_) {}
  ~LocalLauncher() { close(signal_fd_); }
  LocalLauncher(const LocalLauncher&) = delete;
  LocalLauncher& operator=(const LocalLauncher&) = delete;

  Status Connect();
  /// Serves, then trims the logs once more, when no process is left that could write.
  LauncherEnd Run() {
    const LauncherEnd end = Serve();
    table_.TrimLogs();
    return end;
  }

 private:
  LauncherEnd Serve();
  void SendDue();
  void Wait();
  void TakeSignals();
  void PollWorkers();
  void TakeMessages();

  void OnBytes(std::span<const char> bytes);
  void On(const LaunchMsg& launch);
  void On(const StopMsg& stop);
  void On(const LeaveMsg& leave);
  void On(const WelcomeMsg& welcome);
  void On(const PongMsg& pong);
  void On(const ErrorMsg& error);

  void Ignore(const std::string& what);
  void BeginLeave(const std::string& why);
  LauncherEnd EndLeave();
  void Linger();
  bool LingeredEnough() const;

  const LocalLauncherOptions options_;
  const int signal_fd_;
  ParentWatch parent_;
  LauncherSocket socket_;
  const Instant started_at_;
  LauncherSession session_;
  ProcessTable table_;

  bool child_ended_ = false;
  bool orphaned_ = false;  // the parent was killed; a broker may come back for the workers
  Instant heard_at_;       // last message of any broker
  bool silence_warned_ = false;
  Instant trim_logs_at_;
  std::optional<Instant> leave_by_;  // set while leaving: ends then, even if workers are left
  bool told_by_broker_ = false;      // the broker said `leave`; else a signal came
  uint64_t ignored_ = 0;
};

Status LocalLauncher::Connect() {
  if (Status kept = parent_.KeepFromChildren(); !kept.ok()) return kept;
  return socket_.Connect(options_.access);
}

LauncherEnd LocalLauncher::Serve() {
  while (true) {
    SendDue();
    Wait();
    if (!orphaned_ && parent_.Gone() && options_.linger > Duration() && !parent_.ended_well() &&
        !leave_by_ && table_.size() > 0) {
      Linger();
    }
    if ((!orphaned_ && parent_.Gone()) || (orphaned_ && LingeredEnough())) {
      spdlog::warn("the parent is gone: ending {} workers", table_.size());
      const bool all_ended = EndDescendants(kOrphanGrace, kOrphanBound) == 0;
      // Most often the parent was the broker, so nobody listens.
      socket_.LingerFor(kOrphanLinger);
      if (all_ended && session_.state() == LauncherSession::State::kKnown) {
        socket_.Send(ByeMsg{"its parent is gone"});
      }
      return LauncherEnd::kParentGone;
    }
    TakeSignals();
    PollWorkers();
    TakeMessages();
    if (session_.state() == LauncherSession::State::kRefused) {
      EndDescendants(options_.leave_grace, options_.leave_grace + kLeavePatience);
      return LauncherEnd::kRefused;
    }
    if (leave_by_ && (table_.size() == 0 || Now() >= *leave_by_)) return EndLeave();
  }
}

/// Sends `bye`, which states that all workers have ended.
LauncherEnd LocalLauncher::EndLeave() {
  // Ends processes that belong to no worker, and those that did not end in time.
  const size_t left = EndDescendants(Duration(), kLeavePatience);
  if (left > 0) spdlog::error("{} processes could not be ended", left);
  SendDue();
  if (left == 0 && session_.state() == LauncherSession::State::kKnown) {
    socket_.Send(ByeMsg{told_by_broker_ ? "" : "a signal has ended the launcher"});
  }
  return told_by_broker_ ? LauncherEnd::kLeft : LauncherEnd::kSignalled;
}

void LocalLauncher::SendDue() {
  const Instant now = Now();
  if (now >= trim_logs_at_) {
    table_.TrimLogs();
    trim_logs_at_ = now + kTrimLogs;
  }
  for (const Message& message : session_.TakeOutgoing(now)) socket_.Send(message);
  if (!silence_warned_ && now >= started_at_ + kSilenceWarning) {
    silence_warned_ = true;
    if (session_.state() == LauncherSession::State::kGreeting) {
      const std::string& trouble = socket_.watch().trouble();
      spdlog::warn("no answer from the broker at {} yet{}{}", options_.access.endpoint,
                   trouble.empty() ? "" : ": ", trouble);
    }
  }
}

void LocalLauncher::Wait() {
  zmq::pollitem_t items[5] = {{socket_.handle(), 0, ZMQ_POLLIN, 0},
                              {nullptr, signal_fd_, ZMQ_POLLIN, 0}};
  size_t count = 2;
  for (const int fd : parent_.descriptors()) {
    if (fd >= 0 && !orphaned_) items[count++] = {nullptr, fd, ZMQ_POLLIN, 0};
  }
  const size_t after_parents = count;
  if (socket_.watch().watches()) items[count++] = {socket_.watch().handle(), 0, ZMQ_POLLIN, 0};
  Instant until = std::min(session_.next_deadline(), table_.next_deadline());
  if (leave_by_) until = std::min(until, *leave_by_);
  if (table_.writes_logs()) until = std::min(until, trim_logs_at_);
  if (!silence_warned_) until = std::min(until, started_at_ + kSilenceWarning);
  until = std::min(until, socket_.watch().next_deadline());
  // Rounded up: otherwise the loop would wake up several times just before the deadline, with
  // nothing to do.
  const Duration left = std::clamp(until - Now(), Duration(), kWaitMax);
  try {
    zmq::poll(items, count, std::chrono::milliseconds((left.ns + 999'999) / 1'000'000));
  } catch (const zmq::error_t& error) {
    if (error.num() != EINTR) throw;
  }
  for (size_t i = 2; i < after_parents; ++i) {
    if (items[i].revents != 0) parent_.OnReadable();
  }
}

/// The parent was killed. The workers and this launcher go on, in case a broker comes back.
void LocalLauncher::Linger() {
  spdlog::warn("the parent is gone: {} workers wait {:g} s for another broker at {}", table_.size(),
               options_.linger.seconds(), options_.access.endpoint);
  orphaned_ = true;
  heard_at_ = Now();
  session_.PingEvery(kOrphanPingInterval, heard_at_);
}

/// Whether no broker has come in time, or the broker that came does not need this launcher any
/// more.
bool LocalLauncher::LingeredEnough() const {
  if (Now() >= heard_at_ + options_.linger) return true;
  return table_.size() == 0 && session_.all_confirmed();
}

void LocalLauncher::TakeSignals() {
  signalfd_siginfo info;
  while (read(signal_fd_, &info, sizeof(info)) == sizeof(info)) {
    if (info.ssi_signo == SIGCHLD) {
      child_ended_ = true;
    } else if (leave_by_) {
      table_.StopAll(Duration(), Now());  // asked a second time: kills at once
    } else {
      BeginLeave(strsignal(static_cast<int>(info.ssi_signo)));
    }
  }
}

void LocalLauncher::PollWorkers() {
  const Instant now = Now();
  if (!child_ended_ && now < table_.next_deadline()) return;
  child_ended_ = false;
  for (WorkerExit& exit : table_.Poll(now)) {
    // A signal ended the launcher; its workers did not fail, so no exits are reported. `bye` says
    // that all are gone.
    if (leave_by_ && !told_by_broker_) continue;
    spdlog::debug("worker {} is gone: exit code {}, signal {}", exit.worker.value, exit.exit_code,
                  exit.signal);
    session_.Report(ExitedMsg{.worker = exit.worker,
                              .exit_code = exit.exit_code,
                              .signal = exit.signal,
                              .start_error = "",
                              .stderr_tail = std::move(exit.stderr_tail),
                              .working = std::move(exit.working)});
  }
}

void LocalLauncher::TakeMessages() {
  if (socket_.watch().Reopen()) session_.OnReopened();
  for (int i = 0; i < kMessagesPerTurn; ++i) {
    zmq::message_t frame;
    switch (socket_.Receive(&frame)) {
      case LauncherSocket::Received::kNothing: return;
      case LauncherSocket::Received::kFrame: OnBytes({frame.data<char>(), frame.size()}); break;
      case LauncherSocket::Received::kSeveralFrames: Ignore("a message of several frames"); break;
    }
  }
}

void LocalLauncher::OnBytes(std::span<const char> bytes) {
  heard_at_ = Now();
  DecodeResult decoded = socket_.codec().Decode(bytes);
  if (!decoded.ok()) {
    Ignore(fmt::format("{} bytes: {}", bytes.size(), decoded.error().message));
    return;
  }
  std::visit(
      [&](const auto& message) {
        if constexpr (requires { On(message); }) {
          On(message);
        } else {
          Ignore(fmt::format("\"{}\"", KindName(decoded.message())));
        }
      },
      decoded.message());
}

void LocalLauncher::On(const LaunchMsg& launch) {
  // After a new hello, the broker repeats orders that may have been lost.
  if (table_.Has(launch.worker) || session_.ExitIsPending(launch.worker)) {
    Ignore(fmt::format("launch of worker {}, which {}", launch.worker.value,
                       table_.Has(launch.worker) ? "is running" : "has run"));
    return;
  }
  // An `exited` with a start error would make the broker blame the command, and give the task up.
  // Instead the broker gets `bye` soon, and asks another launcher.
  if (leave_by_) {
    Ignore(fmt::format("launch of worker {}: this launcher is leaving", launch.worker.value));
    return;
  }
  Result<pid_t> pid = table_.Start(launch.worker, CommandOf(launch, options_.access.endpoint));
  if (!pid.ok()) {
    spdlog::warn("worker {}: {}", launch.worker.value, pid.error().message);
    ExitedMsg exited;
    exited.worker = launch.worker;
    exited.start_error = pid.error().message;
    session_.Report(exited);
    return;
  }
  spdlog::debug("worker {} of task \"{}\" runs as process {}", launch.worker.value, launch.task,
                *pid);
  session_.Report(LaunchedMsg{launch.worker, *pid});
}

void LocalLauncher::On(const StopMsg& stop) {
  if (table_.Has(stop.worker)) {
    table_.Stop(stop.worker, Duration::Millis(stop.grace_ms), Now());
  } else if (!session_.ExitIsPending(stop.worker)) {
    // The launch was lost, or an earlier broker got the report: this broker still waits for it.
    ExitedMsg exited;
    exited.worker = stop.worker;
    exited.signal = SIGTERM;
    session_.Report(exited);
  }
}

void LocalLauncher::On(const LeaveMsg& leave) {
  told_by_broker_ = true;
  if (!leave_by_) BeginLeave(leave.reason.empty() ? "the broker asks for it" : leave.reason);
}

void LocalLauncher::On(const WelcomeMsg& welcome) {
  spdlog::debug("welcomed by {}", welcome.broker);
  session_.OnWelcome();
}

void LocalLauncher::On(const PongMsg& pong) { session_.OnPong(pong); }

void LocalLauncher::On(const ErrorMsg& error) {
  session_.OnError(error, Now());
  if (session_.state() == LauncherSession::State::kRefused) {
    spdlog::error("the broker at {} refused this launcher: {} ({})", options_.access.endpoint,
                  error.message, ErrorCodeName(error.code));
  } else {
    spdlog::warn("the broker refused a message: {} ({})", error.message, ErrorCodeName(error.code));
  }
}

void LocalLauncher::BeginLeave(const std::string& why) {
  spdlog::info("leaving ({}): ending {} workers", why, table_.size());
  const Instant now = Now();
  table_.StopAll(options_.leave_grace, now);
  leave_by_ = now + options_.leave_grace + kLeavePatience;
}

void LocalLauncher::Ignore(const std::string& what) {
  ++ignored_;
  if (ignored_ > kIgnoredLinesMax && (ignored_ & (ignored_ - 1)) != 0) return;
  spdlog::warn("ignored from the broker: {} ({} ignored so far)", what, ignored_);
}

}  // namespace

Result<LauncherEnd> RunLocalLauncher(const LocalLauncherOptions& options) {
  if (const Status room = CheckThreads(kThreads); !room.ok()) return room.error();
  try {
    LocalLauncher launcher(options);
    const Status connected = launcher.Connect();
    if (!connected.ok()) return connected.error();
    return launcher.Run();
  } catch (const zmq::error_t& error) {
    EndDescendants(Duration(), kLeavePatience);
    return Error{ErrorCode::kIo, fmt::format("libzmq: {}", error.what())};
  }
}

}  // namespace bellis
