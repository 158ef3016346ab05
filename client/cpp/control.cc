#include "bellis/control.h"

#include <unistd.h>

#include <algorithm>

#include "client/cpp/connection.h"
#include "client/cpp/environment.h"
#include "client/cpp/no_broker.h"
#include "common/endpoint.h"
#include "common/machine.h"
#include "common/protocol/messages.h"

namespace bellis {
namespace {

constexpr Duration kPingInterval = Duration::Seconds(2);

Error FromBroker(const ErrorMsg& error) { return Error{error.code, error.message}; }

}  // namespace

// Hidden: libbellis.so exports only Control.
class __attribute__((visibility("hidden"))) Control::Impl {
 public:
  Impl(ControlOptions options, Connection connection)
      : options_(std::move(options)), connection_(std::move(connection)) {}

  const Duration& timeout() const { return options_.timeout; }
  Status Greet(Instant until);
  /// Sends the request, and accepts only the kind of answer that belongs to it.
  template <typename AnswerMsg>
  Result<AnswerMsg> AskFor(Message request);
  Result<Explanation> Explain(ExplainMsg request);
  /// Sends a request that is answered by `ok`.
  Status Order(Message request);
  Result<JobStatus> Watch(const std::string& job, const WatchOptions& watch);
  Status Ping();
  /// Closes the connection without sending what is queued.
  void Drop() { connection_.Close(Duration()); }

 private:
  /// Sends `request` and waits for the answer that carries its number.
  Result<Message> Ask(const Message& request, uint64_t req);
  Result<Message> AwaitAnswer(const Message& request, uint64_t req, Instant until);
  Result<std::optional<JobStatus>> HandleWatched(Message message, const WatchOptions& watch,
                                                 const Message& request, JobStatus* latest);
  Error NoAnswer() const;

  const ControlOptions options_;
  Connection connection_;
  uint64_t last_req_ = 0;
};

template <typename AnswerMsg>
Result<AnswerMsg> Control::Impl::AskFor(Message request) {
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

Result<Explanation> Control::Impl::Explain(ExplainMsg request) {
  Result<ExplainedMsg> answer = AskFor<ExplainedMsg>(std::move(request));
  if (!answer.ok()) return answer.error();
  return Explanation{std::move(answer->summary), std::move(answer->steps)};
}

Status Control::Impl::Order(Message request) {
  const Result<OkMsg> answer = AskFor<OkMsg>(std::move(request));
  return answer.ok() ? OkStatus() : Status(answer.error());
}

Status Control::Impl::Ping() {
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
      // A restarted broker may answer `hello_first`. Then this client says hello again.
      if (error->code == ErrorCode::kHelloFirst) return Greet(until);
      return FromBroker(*error);
    }
  }
  return NoAnswer();
}

Result<JobStatus> Control::Impl::Watch(const std::string& job, const WatchOptions& watch) {
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

Result<std::optional<JobStatus>> Control::Impl::HandleWatched(Message message,
                                                              const WatchOptions& watch,
                                                              const Message& request,
                                                              JobStatus* latest) {
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
      // The error answers another request: a cancel that came after the job had ended.
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

Status Control::Impl::Greet(Instant until) {
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

Result<Message> Control::Impl::Ask(const Message& request, uint64_t req) {
  Status sent = connection_.Send(request);
  if (!sent.ok()) return sent.error();
  return AwaitAnswer(request, req, ClientNow() + options_.timeout);
}

Result<Message> Control::Impl::AwaitAnswer(const Message& request, uint64_t req, Instant until) {
  for (Instant now = ClientNow(); now < until; now = ClientNow()) {
    Result<std::optional<Message>> received = connection_.Receive(until - now);
    if (!received.ok()) return received.error();
    if (!received->has_value()) continue;
    Message& message = **received;
    if (const auto* error = std::get_if<ErrorMsg>(&message)) {
      if (error->code == ErrorCode::kHelloFirst) {
        // The broker was restarted. A refused request had no effect, so it may be sent again.
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

Error Control::Impl::NoAnswer() const {
  return NoBrokerError(options_.endpoint, options_.timeout, connection_.Trouble());
}

// ---- Control ----

Result<ControlOptions> ControlOptions::FromEnvironment() {
  ControlOptions options;
  Result<Access> access = FindAccess("");
  if (!access.ok()) return access.error();
  options.token = std::move(access->token);
  options.keys = std::move(access->keys);
  options.endpoint = EnvironmentValue("BELLIS_ENDPOINT").value_or(access->endpoint);
  if (options.endpoint.empty()) options.endpoint = DefaultEndpoint();
  const auto parsed = ParseEndpoint(options.endpoint, EndpointUse::kConnect, "BELLIS_ENDPOINT");
  if (!parsed.ok()) return parsed.error();
  const Result<Duration> timeout = ConnectTimeoutFromEnvironment(options.timeout);
  if (!timeout.ok()) return timeout.error();
  options.timeout = *timeout;
  return options;
}

Control::Control(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Control::Control(Control&&) noexcept = default;
Control& Control::operator=(Control&&) noexcept = default;
Control::~Control() = default;

Result<Control> Control::Connect(ControlOptions options) {
  Result<Connection> connection = Connection::Open(options.endpoint, options.keys);
  if (!connection.ok()) return connection.error();
  auto impl = std::make_unique<Impl>(std::move(options), std::move(connection).value());
  const Status greeted = impl->Greet(ClientNow() + impl->timeout());
  if (greeted.ok()) return Control(std::move(impl));
  impl->Drop();
  return greeted.error();
}

Result<Submitted> Control::Submit(const JobSpec& spec, Stored stored) {
  SubmitMsg submit{0, spec, stored == Stored::kForget, stored == Stored::kGoOnSame};
  submit.spec.origin.user = UserName(::geteuid());
  submit.spec.origin.host = HostName();
  Result<SubmittedMsg> answer = impl_->AskFor<SubmittedMsg>(std::move(submit));
  if (answer.ok()) {
    return Submitted{std::move(answer->job), answer->resumed, answer->done, std::move(answer->run)};
  }
  if (answer.error().code != ErrorCode::kTooLarge) return answer.error();
  return Error{ErrorCode::kTooLarge,
               answer.error().message + ": fewer tasks, or shorter commands and environments"};
}

Result<uint64_t> Control::RetryFailed(const std::string& job) {
  const Result<RetriedMsg> answer = impl_->AskFor<RetriedMsg>(RetryFailedMsg{0, job});
  if (!answer.ok()) return answer.error();
  return answer->blocks;
}

Result<std::vector<JobStatus>> Control::Jobs(const std::string& job) {
  Result<JobsMsg> answer = impl_->AskFor<JobsMsg>(StatusMsg{0, job});
  if (!answer.ok()) return answer.error();
  return std::move(answer->jobs);
}

Status Control::Cancel(const std::string& job, const std::string& reason) {
  const Result<CancelledMsg> answer = impl_->AskFor<CancelledMsg>(CancelMsg{0, job, reason});
  return answer.ok() ? OkStatus() : Status(answer.error());
}

Status Control::Pause(const std::string& job, const std::string& task) {
  return impl_->Order(PauseMsg{0, job, task});
}

Status Control::Resume(const std::string& job, const std::string& task) {
  return impl_->Order(ResumeMsg{0, job, task});
}

Status Control::SetWorkers(const std::string& job, const std::string& task, uint32_t count,
                           uint32_t group) {
  return impl_->Order(SetWorkersMsg{0, job, task, group, count});
}

Status Control::WorkerGone(WorkerId worker) { return impl_->Order(WorkerGoneMsg{0, worker}); }

Result<Explanation> Control::ExplainBlock(const std::string& job, const std::string& task,
                                          CantorId block) {
  return impl_->Explain({0, job, task, block, WorkerId()});
}

Result<Explanation> Control::ExplainWorker(const std::string& job, WorkerId worker) {
  return impl_->Explain({0, job, "", 0, worker});
}

Result<JobStatus> Control::Watch(const std::string& job, const WatchOptions& watch) {
  return impl_->Watch(job, watch);
}

Status Control::Ping() { return impl_->Ping(); }

}  // namespace bellis
