// Requests of clients in the model: every request is answered once, every watch ends with the job.

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "tests/sim/model.h"

namespace bellis::sim {
namespace {

uint64_t RequestOf(const Message& message) {
  if (const auto* submit = std::get_if<SubmitMsg>(&message)) return submit->req;
  if (const auto* status = std::get_if<StatusMsg>(&message)) return status->req;
  if (const auto* cancel = std::get_if<CancelMsg>(&message)) return cancel->req;
  if (const auto* watch = std::get_if<WatchMsg>(&message)) return watch->req;
  return 0;
}

/// Whether `answer` may answer this kind of request.
bool Answers(const Message& request, const Message& answer, uint64_t req) {
  if (const auto* m = std::get_if<ErrorMsg>(&answer)) return m->req == req;
  if (std::holds_alternative<SubmitMsg>(request)) {
    const auto* m = std::get_if<SubmittedMsg>(&answer);
    return m != nullptr && m->req == req;
  }
  if (std::holds_alternative<StatusMsg>(request)) {
    const auto* m = std::get_if<JobsMsg>(&answer);
    return m != nullptr && m->req == req;
  }
  if (std::holds_alternative<CancelMsg>(request)) {
    const auto* m = std::get_if<CancelledMsg>(&answer);
    return m != nullptr && m->req == req;
  }
  const auto* progress = std::get_if<ProgressMsg>(&answer);
  const auto* ended = std::get_if<EndedMsg>(&answer);
  return (progress != nullptr && progress->req == req) || (ended != nullptr && ended->req == req);
}

}  // namespace

/// Call this before the model follows the event: `peers_` must be as it was when the request came.
void Model::CheckAnswers(const Received& received, const Effects& effects) {
  const Message& message = received.message;
  if (std::holds_alternative<HelloMsg>(message)) return;
  const auto known = peers_.find(received.peer);
  uint64_t errors = 0;
  for (const Send& send : effects.sends) {
    if (send.to == received.peer && std::holds_alternative<ErrorMsg>(send.message)) ++errors;
  }
  const bool unowned = known != peers_.end() && known->second.role == Role::kWorker &&
                       workers_.count(known->second.worker) == 0;
  if (unowned && !std::holds_alternative<ByeMsg>(message)) {
    return Require(errors == 1, "a worker that was given up is told so", [&] {
      return fmt::format("peer {}: {}", received.peer.value, Describe(message));
    });
  }
  const uint64_t req = RequestOf(message);
  const bool request = req != 0;
  if (known == peers_.end() || (request && known->second.role != Role::kClient)) {
    return Require(errors == 1, "a message that a peer may not send is refused, once", [&] {
      return fmt::format("peer {}: {}", received.peer.value, Describe(message));
    });
  }
  if (!request || known->second.watches.count(req) > 0) return;
  std::vector<const Message*> answers;
  for (const Send& send : effects.sends) {
    if (send.to == received.peer && Answers(message, send.message, req)) {
      answers.push_back(&send.message);
    }
  }
  // A watch may begin and end in one Step, when the end of the job was due. CheckWatches sees
  // whether the job has ended.
  const bool through = answers.size() == 2 && std::holds_alternative<WatchMsg>(message) &&
                       std::holds_alternative<ProgressMsg>(*answers[0]) &&
                       std::holds_alternative<EndedMsg>(*answers[1]);
  Require(answers.size() == 1 || through, "every request gets one answer",
          [&] { return fmt::format("{} answers to {}", answers.size(), Describe(message)); });
  const auto* watch = std::get_if<WatchMsg>(&message);
  if (watch == nullptr || std::holds_alternative<ErrorMsg>(*answers[0])) return;
  known->second.watches.emplace(req, watch->job);
}

void Model::CheckWatches(const Effects& effects) {
  for (const Send& send : effects.sends) {
    const auto* progress = std::get_if<ProgressMsg>(&send.message);
    const auto* ended = std::get_if<EndedMsg>(&send.message);
    if (progress == nullptr && ended == nullptr) continue;
    auto& watches = peers_.at(send.to).watches;
    const auto watch = watches.find(progress != nullptr ? progress->req : ended->req);
    Require(watch != watches.end(), "nothing comes after `ended`",
            [&] { return fmt::format("peer {} <- {}", send.to.value, Describe(send.message)); });
    if (ended == nullptr) continue;
    const auto job = std::find_if(jobs_.begin(), jobs_.end(),
                                  [&](const Job& j) { return j.id == watch->second; });
    Require(job != jobs_.end() && job->ended, "`ended` comes when the job has",
            [&] { return fmt::format("peer {} <- {}", send.to.value, Describe(send.message)); });
    watches.erase(watch);
  }
  for (const auto& [id, peer] : peers_) {
    for (const auto& [req, watched] : peer.watches) {
      const auto job =
          std::find_if(jobs_.begin(), jobs_.end(), [&](const Job& j) { return j.id == watched; });
      Require(job != jobs_.end() && !job->ended, "a watch ends with its job",
              [&] { return fmt::format("peer {} watches {}", id.value, watched); });
    }
  }
}

}  // namespace bellis::sim
