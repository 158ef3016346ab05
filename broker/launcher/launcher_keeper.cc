#include "broker/launcher/launcher_keeper.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include "broker/launcher/local_launcher.h"
#include "common/signals_blocked.h"

namespace bellis {
namespace {

constexpr Duration kLookEvery = Duration::Millis(100);
constexpr Duration kPauseMin = Duration::Millis(100);
constexpr Duration kPauseMax = Duration::Seconds(10);
// If a launcher has lived this long, its end does not suggest that the next one will end soon, too.
constexpr auto kLongLife = std::chrono::minutes(1);

using Clock = std::chrono::steady_clock;

}  // namespace

struct LauncherKeeper::State {
  LauncherOptions options;
  std::mutex mutex;
  std::condition_variable stop_asked;
  bool stop = false;                        // under mutex
  std::optional<LauncherProcess> launcher;  // used by the thread while it runs, else by the owner
  std::thread thread;

  /// Returns false if it is time to stop.
  bool Sleep(Duration time) {
    std::unique_lock lock(mutex);
    return !stop_asked.wait_for(lock, std::chrono::nanoseconds(time.ns), [this] { return stop; });
  }

  void Keep() {
    Duration pause = kPauseMin;
    Clock::time_point started_at = Clock::now();
    while (Sleep(kLookEvery)) {
      if (!launcher->Wait(Duration{0})) continue;
      // Only the broker decides that a launcher is not needed any more; a signal does not.
      if (launcher->exit_code() == static_cast<int>(LauncherEnd::kLeft)) return;
      spdlog::error("the launcher has ended (code {}); starting another",
                    launcher->exit_code().value_or(-1));
      if (Clock::now() - started_at > kLongLife) pause = kPauseMin;
      if (!Sleep(pause)) return;
      pause = std::min(kPauseMax, pause + pause);
      started_at = Clock::now();
      // The former launcher's workers have ended with it (Wait), so the broker need not wait for
      // them.
      options.former_pid = launcher->pid();
      auto started = LauncherProcess::Start(options);
      if (started.ok()) {
        launcher.emplace(std::move(*started));
      } else {
        spdlog::error("no launcher: {}", started.error().message);
      }
    }
  }
};

Result<LauncherKeeper> LauncherKeeper::Start(const LauncherOptions& options) {
  auto state = std::make_unique<State>();
  state->options = options;
  auto started = LauncherProcess::Start(options);
  if (!started.ok()) return started.error();
  state->launcher.emplace(std::move(*started));
  State* kept = state.get();
  const SignalsBlocked blocked;
  state->thread = std::thread([kept] { kept->Keep(); });
  return LauncherKeeper(std::move(state));
}

LauncherKeeper::LauncherKeeper(std::unique_ptr<State> state) : state_(std::move(state)) {}
LauncherKeeper::LauncherKeeper(LauncherKeeper&&) noexcept = default;

LauncherKeeper::~LauncherKeeper() {
  if (!state_) return;
  {
    const std::lock_guard lock(state_->mutex);
    state_->stop = true;
  }
  state_->stop_asked.notify_all();
  state_->thread.join();
}

}  // namespace bellis
