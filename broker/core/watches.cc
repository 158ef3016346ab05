#include "broker/core/watches.h"

#include <utility>

namespace bellis {

const Watch* Watches::Begin(Watch watch) {
  watch.id = ++last_;
  of_peer_[watch.peer].insert(watch.id);
  of_job_[watch.job].insert(watch.id);
  return &watches_.emplace(watch.id, watch).first->second;
}

Watch* Watches::Find(uint64_t id) {
  const auto found = watches_.find(id);
  return found == watches_.end() ? nullptr : &found->second;
}

size_t Watches::CountOf(PeerId peer) const {
  const auto found = of_peer_.find(peer);
  return found == of_peer_.end() ? 0 : found->second.size();
}

std::vector<Watch> Watches::EndOfJob(JobNumber job) {
  std::vector<Watch> ended;
  const auto ids = of_job_.extract(job);
  if (ids.empty()) return ended;
  for (const uint64_t id : ids.mapped()) {
    auto watch = watches_.extract(id);
    const auto of_peer = of_peer_.find(watch.mapped().peer);
    of_peer->second.erase(id);
    if (of_peer->second.empty()) of_peer_.erase(of_peer);
    ended.push_back(watch.mapped());
  }
  return ended;
}

void Watches::EndOfPeer(PeerId peer) {
  const auto ids = of_peer_.extract(peer);
  if (ids.empty()) return;
  for (const uint64_t id : ids.mapped()) {
    auto watch = watches_.extract(id);
    const auto of_job = of_job_.find(watch.mapped().job);
    of_job->second.erase(id);
    if (of_job->second.empty()) of_job_.erase(of_job);
  }
}

}  // namespace bellis
