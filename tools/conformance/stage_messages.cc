// How a stage handles each message of the worker, and which messages break the protocol.

#include <fmt/format.h>

#include <algorithm>

#include "tools/conformance/stage.h"

namespace bellis::conformance {
namespace {

std::string LeaseText(uint64_t lease) { return fmt::format("lease {}", lease); }

}  // namespace

const char* Stage::NameOf(const std::string& peer) {
  return connections_[peer].role == Role::kPulse ? "pulse" : "worker";
}

void Stage::SayTo(const std::string& peer, const std::string& kind, const Json& fields,
                  const Style& style) {
  const std::string bytes = PackMessage(kind, fields, style);
  Record(TraceLine::Kind::kToWorker, NameOf(peer), MessageText(bytes));
  wire_->Send(peer, bytes);
}

void Stage::Handle(const Wire::Received& received) {
  DecodeResult decoded = codec_.Decode(received.bytes);
  const std::string& peer = received.peer;
  if (decoded.ok()) {
    const auto* hello = std::get_if<HelloMsg>(&decoded.message());
    if (hello != nullptr) connections_[peer].role = hello->role;
  }
  Record(TraceLine::Kind::kFromWorker, NameOf(peer), MessageText(received.bytes));
  if (received.frames != 1) {
    Break(fmt::format("a message is one frame, but one of {} frames came", received.frames));
  }
  if (received.bytes.size() > kMessageBytesMax) {
    Break(fmt::format("a message has at most 1 MiB, but one of {} bytes came",
                      received.bytes.size()));
  }
  if (!decoded.ok()) {
    if (decoded.error().code != ErrorCode::kUnknownKind) {
      Break("a message came that a broker refuses: " + decoded.error().message);
    }
    if (!muted_)
      SayTo(peer, "error", {{"code", "unknown_kind"}, {"message", decoded.error().message}});
    return;
  }
  const Message& message = decoded.message();
  if (const auto* hello = std::get_if<HelloMsg>(&message)) return HandleHello(peer, *hello);
  const Greeting greeting = connections_[peer].greeting;
  if (greeting == Greeting::kNone) {
    if (!muted_) SayTo(peer, "error", {{"code", "hello_first"}, {"message", "say hello first"}});
    return;
  }
  if (const auto* ping = std::get_if<PingMsg>(&message)) return HandlePing(peer, *ping);
  if (std::holds_alternative<ByeMsg>(message)) {
    said_bye_ = said_bye_ || connections_[peer].role == Role::kWorker;
    return;
  }
  if (connections_[peer].role == Role::kPulse) {
    Break(fmt::format("a pulse says hello, ping and bye only, but it said {}", KindName(message)));
  }
  if (greeting == Greeting::kOpen) {
    Break(fmt::format("nothing is asked for or handed in before the welcome, but {} came",
                      KindName(message)));
  }
  if (const auto* acquire = std::get_if<AcquireMsg>(&message)) return HandleAsking(acquire->want);
  if (const auto* release = std::get_if<ReleaseMsg>(&message)) {
    for (const BlockResult& result : release->results) HandleResult(result);
    return HandleAsking(release->want);
  }
  Break(fmt::format("a worker does not say {}", KindName(message)));
}

void Stage::HandleHello(const std::string& peer, const HelloMsg& hello) {
  if (hello.role == Role::kPulse) return HandlePulse(peer, hello);
  CheckHello(hello);
  if (hello.session != 0) CheckSession(hello);
  CheckHeld(hello);
  session_ = hello.session;
  greeting_ = hello.greeting;
  for (auto& [lease, handed] : leases_) {
    const bool listed =
        std::any_of(hello.held.begin(), hello.held.end(),
                    [id = lease](const HeldLease& one) { return one.lease.value == id; });
    if (!listed && handed.state == Handed::State::kHeld) handed.state = Handed::State::kGone;
  }
  if (!worker_peer_.empty() && worker_peer_ != peer) connections_.erase(worker_peer_);
  worker_peer_ = peer;
  connections_[peer] = {Role::kWorker, Greeting::kOpen};
  hellos_.push_back(hello);
  hello_at_ = Now();
  open_hello_ = true;
  wanted_ = 0;
}

void Stage::CheckHello(const HelloMsg& hello) const {
  const auto same = [this](const char* field, const std::string& said, const std::string& given) {
    if (said == given) return;
    Break(fmt::format("the hello's {} is '{}', but it was told '{}'", field, said, given));
  };
  if (hello.role != Role::kWorker) {
    Break(fmt::format("the hello's role is '{}', not 'worker'", RoleName(hello.role)));
  }
  if (hello.version != kProtocolVersion) {
    Break(fmt::format("the hello's version is {}, not {}", hello.version, kProtocolVersion));
  }
  if (!may_omit_job_ || !hello.job.empty()) same("job", hello.job, job_);
  if (!may_omit_job_ || !hello.task.empty()) same("task", hello.task, task_);
  if (!keys_) same("token", hello.token, kToken);
  if (hello.worker.value != number_) {
    const bool given = hellos_.empty() || may_be_new_;
    Break(fmt::format("the hello's worker is {}, but {} says {}", hello.worker.value,
                      given ? "its environment" : "the welcome", number_));
  }
  if (hello.session > INT64_MAX) Break("the hello's session is more than 2^63-1");
}

void Stage::CheckSession(const HelloMsg& hello) const {
  const bool is_new = session_ == 0 || (may_be_new_ && hello.session != session_);
  if (is_new) {
    if (options_.level >= 2 && hello.greeting != 1) {
      Break(fmt::format("a new session begins at greeting 1, not at {}", hello.greeting));
    }
    return;
  }
  if (options_.level < 2) return;
  if (hello.session != session_) {
    Break(fmt::format("each hello says the same session, but this one says {} after {}",
                      hello.session, session_));
  }
  if (hello.greeting <= greeting_) {
    Break(fmt::format("each hello says a higher greeting, but this one says {} after {}",
                      hello.greeting, greeting_));
  }
}

void Stage::CheckHeld(const HelloMsg& hello) const {
  for (const HeldLease& one : hello.held) {
    const auto known = leases_.find(one.lease.value);
    if (known == leases_.end()) {
      Break(LeaseText(one.lease.value) + " stands in held, but the worker was never given it");
    }
    if (one.index != known->second.index || one.attempt != known->second.attempt) {
      Break(
          fmt::format("held says index {} and attempt {} for {}, but it was given as index {} and "
                      "attempt {}",
                      one.index, one.attempt, LeaseText(one.lease.value), known->second.index,
                      known->second.attempt));
    }
    const bool gone = known->second.state == Handed::State::kGone;
    if (gone && !hellos_.empty() && hello.session != 0 && options_.level >= 2) {
      Break(LeaseText(one.lease.value) + " stands in held, but it was the worker's no longer");
    }
  }
}

void Stage::HandlePulse(const std::string& peer, const HelloMsg& hello) {
  connections_[peer].role = Role::kPulse;
  if (muted_) return;
  if (hello.session == 0) Break("a pulse's hello says the session of its worker, but it has none");
  if (hello.session != session_ || hello.worker.value != number_) {
    SayTo(peer, "error", {{"code", "unknown_worker"}, {"message", "no such worker yet"}});
    return;
  }
  connections_[peer].greeting = Greeting::kWelcome;
  SayTo(peer, "welcome", WelcomeFields(hello));
}

void Stage::HandlePing(const std::string& peer, const PingMsg& ping) {
  ++pings_;
  if (peer == worker_peer_) ++worker_pings_;
  if (muted_) return;
  if (connections_[peer].greeting == Greeting::kWelcome) last_answered_ = Now();
  SayTo(peer, "pong", {{"nonce", ping.nonce}});
}

void Stage::HandleAsking(uint32_t want) {
  if (want == 0) return;
  ++asked_;
  wanted_ += want;
  if (wanted_ + held() > kWantMax) {
    Break(fmt::format("held and wanted together are {}, more than {}", wanted_ + held(), kWantMax));
  }
}

void Stage::HandleResult(const BlockResult& result) {
  const uint64_t lease = result.lease.value;
  const auto known = leases_.find(lease);
  if (known == leases_.end())
    Break(LeaseText(lease) + " was handed in, but no work after a welcome gave it out");
  Handed& handed = known->second;
  if (handed.state == Handed::State::kGone && session_ != 0) {
    Break(LeaseText(lease) +
          " was handed in, but it was the worker's no longer: the last hello or "
          "its welcome did not list it");
  }
  if (handed.state == Handed::State::kDone || handed.state == Handed::State::kCommitted) {
    Break(LeaseText(lease) + " was handed in twice");
  }
  if (handed.state == Handed::State::kGone) return;
  handed.state =
      result.outcome == BlockOutcome::kReturned ? Handed::State::kGone : Handed::State::kDone;
  handed.released_at = Now();
  handed.result = result;
}

}  // namespace bellis::conformance
