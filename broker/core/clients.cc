#include "broker/core/clients.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "broker/core/requests.h"
#include "broker/schedule/mutation.h"

namespace bellis {

void Clients::OnStatus(PeerId peer, const StatusMsg& status) {
  JobsMsg jobs{status.req, {}};
  if (status.job.empty()) {
    for (const auto& [number, job] : jobs_) jobs.jobs.push_back(StatusOf(*job, turn_.now()));
  } else {
    const Job* job = JobFor(turn_, jobs_, peer, "status.job", status.job, status.req);
    if (job == nullptr) return;
    jobs.jobs.push_back(StatusOf(*job, turn_.now()));
  }
  turn_.Send(peer, std::move(jobs));
}

void Clients::OnCancel(PeerId peer, const CancelMsg& cancel) {
  Job* job = JobFor(turn_, jobs_, peer, "cancel.job", cancel.job, cancel.req);
  if (job == nullptr) return;
  if (job->running()) {
    endings_.EndJob(*job, JobState::kCancelled,
                    cancel.reason.empty() ? "cancelled" : cancel.reason);
  }
  turn_.Send(peer, CancelledMsg{cancel.req, job->id});
}

void Clients::OnWatch(PeerId peer, const WatchMsg& watch) {
  Job* job = JobFor(turn_, jobs_, peer, "watch.job", watch.job, watch.req);
  if (job == nullptr) return;
  if (!job->running()) return turn_.Send(peer, EndedMsg{watch.req, StatusOf(*job, turn_.now())});
  const size_t watches = watches_.CountOf(peer);
  if (watches >= options_.watches_max) {
    return turn_.Refuse(
        peer, ErrorCode::kLimit,
        fmt::format("this connection watches {} times, at most {}; another connection "
                    "may watch, too",
                    watches, options_.watches_max),
        watch.req);
  }
  const Watch& begun = *watches_.Begin(
      {0, peer, watch.req, job->number, Duration::Millis(watch.interval_ms), job->version});
  turn_.Send(peer, ProgressMsg{watch.req, StatusOf(*job, turn_.now())});
  turn_.Wake({turn_.now() + begun.interval, TimerKind::kWatch, begun.id});
}

void Clients::WatchDue(uint64_t id) {
  Watch* watch = watches_.Find(id);
  if (watch == nullptr) return;
  const Job& job = *jobs_.Find(watch->job);  // its watches end before it is forgotten
  if (std::exchange(watch->version_sent, job.version) != job.version) {
    turn_.Send(watch->peer, ProgressMsg{watch->req, StatusOf(job, turn_.now())});
  }
  turn_.Wake({turn_.now() + watch->interval, TimerKind::kWatch, id});
}

}  // namespace bellis
