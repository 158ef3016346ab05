#include "common/threads.h"

#include <sys/resource.h>

#include <future>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

namespace bellis {

Status CheckThreads(int count) {
  std::promise<void> over;
  const std::shared_future<void> until = over.get_future().share();
  std::vector<std::thread> threads;
  Status room = OkStatus();
  try {
    for (int i = 0; i < count; ++i) threads.emplace_back([until] { until.wait(); });
  } catch (const std::system_error& error) {
    rlimit limit{};
    getrlimit(RLIMIT_NPROC, &limit);
    const std::string most =
        limit.rlim_cur == RLIM_INFINITY ? "unlimited" : std::to_string(limit.rlim_cur);
    room = Error{ErrorCode::kIo,
                 std::string("cannot start a thread: ") + error.code().message() +
                     "; all processes and threads of this user may be " + most +
                     " (`ulimit -u`; a control group may allow fewer): " + std::to_string(count) +
                     " more are needed. End some, or raise the limit"};
  }
  over.set_value();
  for (std::thread& thread : threads) thread.join();
  return room;
}

}  // namespace bellis
