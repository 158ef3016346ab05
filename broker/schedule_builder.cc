#include "broker/schedule_builder.h"

#include <utility>

#include "broker/schedule/schedule_build.h"

namespace bellis {

ScheduleBuilder::~ScheduleBuilder() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  added_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void ScheduleBuilder::Add(Build build) {
  {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(std::move(build));
  }
  if (!thread_.joinable()) thread_ = std::thread([this] { Run(); });
  added_.notify_one();
}

std::vector<Built> ScheduleBuilder::Take() {
  const std::lock_guard lock(mutex_);
  return std::exchange(built_, {});
}

void ScheduleBuilder::Run() {
  std::unique_lock lock(mutex_);
  while (true) {
    added_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    if (stopping_) return;
    Build build = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    Built built{build.id, BuildGraph(*build.spec, build.bytes_max)};
    build.spec.reset();  // so that the core can move the masks out of the spec
    lock.lock();
    built_.push_back(std::move(built));
    wake_();
  }
}

}  // namespace bellis
