#include "client/cpp/control.h"

#include <unistd.h>

#include <algorithm>

#include "client/cpp/environment.h"
#include "client/cpp/no_broker.h"
#include "common/machine.h"

namespace bellis {
namespace {

constexpr Duration kPingInterval = Duration::Seconds(2);

Error FromBroker(const ErrorMsg& error) { return Error{error.code, error.message}; }

}  // namespace

Control::Control(ControlOptions options, Connection connection)
    : options_(std::move(options)), connection_(std::move(connection)) {}

Result<Control> Control::Connect(ControlOptions options) {
  Result<Connection> connection = Connection::Open(options.endpoint, options.keys);
  if (!connection.ok()) return connection.error();
  Control control(std::move(options), std::move(connection).value());
  Status greeted = control.Greet(ClientNow() + control.options_.timeout);
  if (!greeted.ok()) {
    control.connection_.Close(Duration());
    return greeted.error();
  }
  return control;
}

/// Asks, and takes the one kind of answer that belongs to the question.
template <typename AnswerMsg>
Result<AnswerMsg> Control::AskFor(Message request) {
  const uint64_t req = ++last_req_;
  std::visit(
      [req](auto& fields) {
        if constexpr (requires { fields.req; }) fields.req = req;
      },
      request);
  Result<Message> answer = Ask(request, req);
  if (!answer.ok()) return answer.error();
  if (auto* expected = std::get_if<AnswerMsg>(&*answer)) return std::move(*expected);
  return Error{ErrorCode::kBadMessage, std::string("the broker answered ") + KindName(request) +
                                           " with " + KindName(*answer)};
}

Result<SubmittedMsg> Control::Submit(const JobSpec& spec, Stored stored) {
  SubmitMsg submit{0, spec, stored == Stored::kForget, stored == Stored::kGoOnSame};
  submit.spec.origin.user = UserName(::geteuid());
  submit.spec.origin.host = HostName();
  Result<SubmittedMsg> answer = AskFor<SubmittedMsg>(std::move(submit));
  if (answer.ok() || answer.error().code != ErrorCode::kTooLarge) return answer;
  return Error{ErrorCode::kTooLarge,
               answer.error().message + ": fewer tasks, or shorter commands and environments"};
}

Result<uint64_t> Control::RetryFailed(const std::string& job) {
  Result<RetriedMsg> answer = AskFor<RetriedMsg>(RetryFailedMsg{0, job});
  if (!answer.ok()) return answer.error();
  return answer->blocks;
}

Result<std::vector<JobStatus>> Control::Jobs(const std::string& job) {
  Result<JobsMsg> answer = AskFor<JobsMsg>(StatusMsg{0, job});
  if (!answer.ok()) return answer.error();
  return std::move(answer->jobs);
}

Status Control::Cancel(const std::string& job, const std::string& reason) {
  Result<CancelledMsg> answer = AskFor<CancelledMsg>(CancelMsg{0, job, reason});
  if (!answer.ok()) return answer.error();
  return OkStatus();
}

Status Control::Pause(const std::string& job, const std::string& task) {
  const Result<OkMsg> answer = AskFor<OkMsg>(PauseMsg{0, job, task});
  return answer.ok() ? OkStatus() : Status(answer.error());
}

Status Control::Resume(const std::string& job, const std::string& task) {
  const Result<OkMsg> answer = AskFor<OkMsg>(ResumeMsg{0, job, task});
  return answer.ok() ? OkStatus() : Status(answer.error());
}

Status Control::SetWorkers(const std::string& job, const std::string& task, uint32_t count,
                           uint32_t group) {
  const Result<OkMsg> answer = AskFor<OkMsg>(SetWorkersMsg{0, job, task, group, count});
  return answer.ok() ? OkStatus() : Status(answer.error());
}

Status Control::WorkerGone(WorkerId worker) {
  const Result<OkMsg> answer = AskFor<OkMsg>(WorkerGoneMsg{0, worker});
  return answer.ok() ? OkStatus() : Status(answer.error());
}

Result<ExplainedMsg> Control::ExplainBlock(const std::string& job, const std::string& task,
                                           CantorId block) {
  return AskFor<ExplainedMsg>(ExplainMsg{0, job, task, block, WorkerId()});
}

Result<ExplainedMsg> Control::ExplainWorker(const std::string& job, WorkerId worker) {
  return AskFor<ExplainedMsg>(ExplainMsg{0, job, "", 0, worker});
}

Status Control::Ping() {
  const uint64_t nonce = ++last_req_;
  Status sent = connection_.Send(PingMsg{nonce});
  if (!sent.ok()) return sent;
  const Instant until = ClientNow() + options_.timeout;
  while (ClientNow() < until) {
    Result<std::optional<Message>> received = connection_.Receive(until - ClientNow());
    if (!received.ok()) return received.error();
    if (!received->has_value()) continue;
    if (const auto* pong = std::get_if<PongMsg>(&**received)) {
      if (pong->nonce == nonce) return OkStatus();
    } else if (const auto* error = std::get_if<ErrorMsg>(&**received)) {
      // A broker that was restarted answers too; the next request introduces us.
      if (error->code == ErrorCode::kHelloFirst) return Greet(until);
      return FromBroker(*error);
    }
  }
  return NoAnswer();
}

Result<JobStatus> Control::Watch(const std::string& job, const WatchOptions& watch) {
  const Message request = WatchMsg{++last_req_, job, watch.interval_ms};
  Status sent = connection_.Send(request);
  if (!sent.ok()) return sent.error();
  JobStatus latest;
  latest.job = job;
  bool cancelled = false;
  Instant heard = ClientNow();
  Instant pinged = heard;
  for (;;) {
    Result<std::optional<Message>> received = connection_.Receive(watch.tick_interval);
    if (!received.ok()) return received.error();
    const Instant now = ClientNow();
    if (received->has_value()) {
      heard = now;
      Result<std::optional<JobStatus>> ended =
          HandleWatched(std::move(**received), watch, request, &latest);
      if (!ended.ok()) return ended.error();
      if (ended->has_value()) return std::move(**ended);
    }
    const WatchOrder order = watch.tick ? watch.tick() : WatchOrder::kGoOn;
    if (order == WatchOrder::kStop) return latest;
    if (order == WatchOrder::kCancel && !cancelled) {
      cancelled = true;
      sent = connection_.Send(CancelMsg{++last_req_, job, "asked for by its watcher"});
      if (!sent.ok()) return sent.error();
    }
    if (now - heard >= options_.timeout + kPingInterval) return NoAnswer();
    if (now - std::max(heard, pinged) >= kPingInterval) {
      pinged = now;
      sent = connection_.Send(PingMsg{});
      if (!sent.ok()) return sent.error();
    }
  }
}

Result<std::optional<JobStatus>> Control::HandleWatched(Message message, const WatchOptions& watch,
                                                        const Message& request, JobStatus* latest) {
  if (auto* ended = std::get_if<EndedMsg>(&message)) {
    if (ended->req != RequestNumber(request)) return std::optional<JobStatus>();
    return std::optional<JobStatus>(std::move(ended->status));
  }
  if (auto* progress = std::get_if<ProgressMsg>(&message)) {
    if (progress->req != RequestNumber(request)) return std::optional<JobStatus>();
    *latest = std::move(progress->status);
    if (watch.progress) watch.progress(*latest);
  } else if (const auto* error = std::get_if<ErrorMsg>(&message)) {
    if (error->code != ErrorCode::kHelloFirst) {
      // Of another request: a cancel that came when the job had ended.
      if (error->req != 0 && error->req != RequestNumber(request))
        return std::optional<JobStatus>();
      return FromBroker(*error);
    }
    Status greeted = Greet(ClientNow() + options_.timeout);
    if (greeted.ok()) greeted = connection_.Send(request);
    if (!greeted.ok()) return greeted.error();
  }
  return std::optional<JobStatus>();
}

Status Control::Greet(Instant until) {
  HelloMsg hello;
  hello.role = Role::kClient;
  hello.token = options_.token;
  hello.host = HostName();
  hello.pid = ::getpid();
  Status sent = connection_.Send(hello);
  if (!sent.ok()) return sent;
  for (Instant now = ClientNow(); now < until; now = ClientNow()) {
    Result<std::optional<Message>> received = connection_.Receive(until - now);
    if (!received.ok()) return received.error();
    if (!received->has_value()) continue;
    if (std::holds_alternative<WelcomeMsg>(**received)) return OkStatus();
    const auto* error = std::get_if<ErrorMsg>(&**received);
    if (error != nullptr && error->code != ErrorCode::kHelloFirst) return FromBroker(*error);
  }
  return NoAnswer();
}

Result<Message> Control::Ask(const Message& request, uint64_t req) {
  Status sent = connection_.Send(request);
  if (!sent.ok()) return sent.error();
  return AwaitAnswer(request, req, ClientNow() + options_.timeout);
}

Result<Message> Control::AwaitAnswer(const Message& request, uint64_t req, Instant until) {
  for (Instant now = ClientNow(); now < until; now = ClientNow()) {
    Result<std::optional<Message>> received = connection_.Receive(until - now);
    if (!received.ok()) return received.error();
    if (!received->has_value()) continue;
    Message& message = **received;
    if (const auto* error = std::get_if<ErrorMsg>(&message)) {
      if (error->code == ErrorCode::kHelloFirst) {
        // A broker that was restarted. What it refused had no effect, so it may be said again.
        Status greeted = Greet(until);
        if (greeted.ok()) greeted = connection_.Send(request);
        if (!greeted.ok()) return greeted.error();
      } else if (error->req == req || error->req == 0) {
        return FromBroker(*error);
      }
    } else if (RequestNumber(message) == req) {
      return std::move(message);
    }
  }
  return NoAnswer();
}

Error Control::NoAnswer() const {
  return NoBrokerError(options_.endpoint, options_.timeout, connection_.Trouble());
}

}  // namespace bellis
