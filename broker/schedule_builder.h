#pragma once

// A thread that builds, one after the other, the schedules that take too long for the broker's loop
// (Effects::builds).

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "broker/core/effect.h"
#include "broker/core/event.h"

namespace bellis {

class ScheduleBuilder {
 public:
  /// The thread calls `wake` when a schedule is built. It starts with the first Add.
  explicit ScheduleBuilder(std::function<void()> wake) : wake_(std::move(wake)) {}
  /// Waits for the schedule that is being built, and drops those that are not begun.
  ~ScheduleBuilder();
  ScheduleBuilder(const ScheduleBuilder&) = delete;
  ScheduleBuilder& operator=(const ScheduleBuilder&) = delete;

  void Add(Build build);
  /// The schedules that were built since the last call, in order.
  std::vector<Built> Take();

 private:
  void Run();

  const std::function<void()> wake_;
  std::mutex mutex_;
  std::condition_variable added_;
  // Under the mutex.
  std::deque<Build> waiting_;
  std::vector<Built> built_;
  bool stopping_ = false;
  std::thread thread_;  // used only by the owner's thread
};

}  // namespace bellis
