#include "broker/core/broker_core.h"

#include <utility>

#include "broker/core/engine.h"

namespace bellis {

BrokerCore::BrokerCore(CoreOptions options)
    : engine_(std::make_unique<Engine>(std::move(options))) {}
BrokerCore::~BrokerCore() = default;

void BrokerCore::Step(Instant now, Event&& event, Effects* effects) {
  engine_->Step(now, event, effects);
}

Instant BrokerCore::now() const { return engine_->turn().now(); }

std::vector<JobStatus> BrokerCore::Jobs(Instant now) const {
  std::vector<JobStatus> all;
  for (const auto& [number, job] : engine_->jobs()) {
    all.push_back(StatusOf(*job, engine_->turn().clock().FromMachine(now)));
  }
  return all;
}

std::string BrokerCore::JobOfWorker(WorkerId worker) const {
  const Worker* found = engine_->roster().Find(worker);
  return found == nullptr ? "" : found->job->id;
}

size_t BrokerCore::schedule_bytes() const {
  size_t bytes = 0;
  for (const auto& [number, job] : engine_->jobs()) {
    if (job->frontier) bytes += job->frontier->bytes();
  }
  return bytes;
}

void BrokerCore::CheckInvariants() const { engine_->CheckInvariants(); }

}  // namespace bellis
