// Schedules that are made elsewhere, since their masks take too long for the loop. What asked for
// one waits, and is heard again when it is there: what is true of the broker may be another by
// then.

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "broker/core/broker_core.h"
#include "broker/schedule/schedule_build.h"

namespace bellis {

bool BrokerCore::IsBuiltElsewhere(const JobSpec& spec) const {
  return MaskWork(spec) > options_.build_work_inline_max;
}

/// `asked` of the peer is heard when the schedule of `spec` is built.
void BrokerCore::BuildElsewhere(PeerId peer, uint64_t req, std::shared_ptr<JobSpec> spec,
                                std::variant<SubmitMsg, RetryFailedMsg> asked) {
  const auto same = std::count_if(builds_.begin(), builds_.end(),
                                  [peer](const auto& entry) { return entry.second.peer == peer; });
  if (same > 0 || builds_.size() >= options_.builds_max) {
    return turn_.Refuse(
        peer, ErrorCode::kLimit,
        fmt::format("{} jobs are waiting for their masks to be read, {} of this client; "
                    "at most {} and 1: send it again when they are done",
                    builds_.size(), same, options_.builds_max),
        req);
  }
  const uint64_t id = ++last_build_;
  turn_.out().builds.push_back({id, spec, options_.job_memory_max});
  builds_.emplace(id, Building{peer, req, std::move(spec), std::move(asked)});
}

void BrokerCore::OnBuilt(Built built) {
  auto entry = builds_.extract(built.id);
  if (entry.empty()) return;
  Building& building = entry.mapped();
  if (!built.graph.ok()) {
    return turn_.Refuse(building.peer, built.graph.error().code, built.graph.error().message,
                        building.req);
  }
  if (auto* submit = std::get_if<SubmitMsg>(&building.asked)) {
    submit->spec = std::move(*building.spec);
    return OnSubmit(building.peer, std::move(*submit), *built.graph);
  }
  OnRetryFailed(building.peer, std::get<RetryFailedMsg>(building.asked), *built.graph);
}

/// Plan's figure is for workers that are equally fast. A job that takes more than it may is ended
/// before it ends the broker.
bool BrokerCore::OutgrewItsMemory(Job& job, TaskIndex t) {
  TaskRun& task = job.tasks[t];
  const size_t bytes = job.frontier->bytes(t);
  job.bytes += bytes - std::exchange(task.bytes, bytes);
  if (job.bytes <= options_.job_memory_max) return false;
  EndJob(job, JobState::kFailed,
         fmt::format("its schedule has come to take {} bytes of the broker's memory, at most {}: "
                     "make its blocks larger, or give the broker a larger --job-memory-max",
                     job.bytes, options_.job_memory_max));
  return true;
}

}  // namespace bellis
