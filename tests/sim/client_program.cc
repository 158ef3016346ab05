#include "tests/sim/client_program.h"

#include <utility>

namespace bellis::sim {

ClientProgram::ClientProgram(Surroundings* around, JobSpec spec, bool cancels)
    : Actor(around),
      spec_(std::move(spec)),
      cancels_(cancels),
      dealer_(around->network, [this](const Message& message) { OnMessage(message); }) {
  SayHello();
  Request(1, SubmitMsg{1, spec_});
  Poll();
}

void ClientProgram::SayHello() {
  welcome_ = false;
  ++hellos_;
  hello_said_ = now();
  HelloMsg hello;
  hello.role = Role::kClient;
  dealer_.Send(hello);
}

void ClientProgram::Request(uint64_t req, Message message) {
  dealer_.Send(message);
  unanswered_[req] = std::move(message);
}

void ClientProgram::OnAnswer(uint64_t req) { unanswered_.erase(req); }

void ClientProgram::Watch() {
  watch_req_ = ++last_req_;
  dealer_.Send(WatchMsg{watch_req_, job_, static_cast<uint32_t>(random().Pick(200, 2000))});
}

void ClientProgram::Poll() {
  Later(random().Between(Duration::Seconds(1), Duration::Seconds(10)), [this] {
    if (done_) return;
    dealer_.Send(PingMsg{1});
    if (!job_.empty() && random().Chance(0.3)) {
      const uint64_t req = ++last_req_;
      Request(req, StatusMsg{req, random().Chance(0.5) ? job_ : ""});
    }
    Poll();
  });
}

void ClientProgram::OnMessage(const Message& message) {
  if (const auto* error = std::get_if<ErrorMsg>(&message)) {
    if (error->code == ErrorCode::kHelloFirst) {
      if (welcome_ || now() > hello_said_ + Duration::Seconds(8)) SayHello();
      return;
    }
    OnAnswer(error->req);
    if (job_.empty() && error->code != ErrorCode::kBadMessage) done_ = true;
  } else if (std::holds_alternative<WelcomeMsg>(message)) {
    welcome_ = true;
    if (hellos_ == 1) return;  // the requests are on their way
    for (const auto& [req, request] : unanswered_) dealer_.Send(request);
    if (!job_.empty() && !done_) Watch();
  } else if (const auto* submitted = std::get_if<SubmittedMsg>(&message)) {
    OnAnswer(submitted->req);
    if (!job_.empty()) return;  // the submit was sent twice and answered twice
    job_ = submitted->job;
    Watch();
    if (!cancels_) return;
    Later(random().Between(Duration{}, Duration::Seconds(60)), [this] {
      const uint64_t req = ++last_req_;
      if (!done_) Request(req, CancelMsg{req, job_, "changed our mind"});
    });
  } else if (const auto* jobs = std::get_if<JobsMsg>(&message)) {
    OnAnswer(jobs->req);
  } else if (const auto* cancelled = std::get_if<CancelledMsg>(&message)) {
    OnAnswer(cancelled->req);
  } else if (const auto* ended = std::get_if<EndedMsg>(&message)) {
    if (ended->req == watch_req_) done_ = true;
  }
}

}  // namespace bellis::sim
