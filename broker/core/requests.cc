#include "broker/core/requests.h"

#include <fmt/format.h>

#include <utility>

#include "broker/core/durable.h"

namespace bellis {

Job* JobFor(Turn& turn, const JobTable& jobs, PeerId peer, const std::string& field,
            const std::string& named, uint64_t req) {
  if (Job* job = jobs.FindById(named)) return job;
  Job* newest = nullptr;
  std::string running;
  for (auto it = jobs.rbegin(); it != jobs.rend(); ++it) {
    Job& job = *it->second;
    if (job.spec.name != named) continue;
    if (job.running()) {
      if (!running.empty()) running += ", ";
      running += job.id;
    }
    if (newest == nullptr || (job.running() && !newest->running())) newest = &job;
  }
  if (newest != nullptr && running.find(", ") == std::string::npos) return newest;
  turn.Refuse(
      peer, ErrorCode::kUnknownJob,
      newest == nullptr
          ? fmt::format("{} is \"{}\": no such job", field, named)
          : fmt::format("{} is \"{}\": several jobs of this name run, give the id of one: {}",
                        field, named, running),
      req);
  return nullptr;
}

void AnswerWhenDurable(Turn& turn, Durable& durable, const PeerTable& peers, PeerId peer,
                       Message answer) {
  if (!durable.AllCommitted())
    return durable.Await(AnswerIsDurable{peer, std::make_unique<Message>(std::move(answer))});
  if (peers.Has(peer)) turn.Send(peer, std::move(answer));
}

}  // namespace bellis
