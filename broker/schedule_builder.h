#pragma once

// A thread that builds the schedules which take too long for the broker's loop (Effects::builds),
// one after the other.

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
  /// `wake` is called by the thread when something is built. The thread starts with the first Add.
  explicit ScheduleBuilder(std::function<void()> wake) : wake_(std::move(wake)) {}
  /// Waits for what is being built; what has not begun is left out.
  ~ScheduleBuilder();
  ScheduleBuilder(const ScheduleBuilder&) = delete;
  ScheduleBuilder& operator=(const ScheduleBuilder&) = delete;

  void Add(Build build);
  /// What was built since the last call, in order.
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
  std::thread thread_;  // of the owner's
};

}  // namespace bellis
