#include "broker/launcher/launcher_keeper.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

namespace bellis {
namespace {

constexpr Duration kLookEvery = Duration::Millis(100);
constexpr Duration kPauseMax = Duration::Seconds(10);

}  // namespace

struct LauncherKeeper::State {
  LauncherOptions options;
  std::mutex mutex;
  std::condition_variable stop_asked;
  bool stop = false;                        // under mutex
  std::optional<LauncherProcess> launcher;  // of the thread; of the owner before and after it
  std::thread thread;

  /// False when it is time to stop.
  bool Sleep(Duration time) {
    std::unique_lock lock(mutex);
    return !stop_asked.wait_for(lock, std::chrono::nanoseconds(time.ns), [this] { return stop; });
  }

  void Keep() {
    Duration pause = Duration::Millis(100);
    while (Sleep(kLookEvery)) {
      if (!launcher->Wait(Duration{0})) continue;
      // A clean exit is the broker's doing: it told the launcher to leave.
      if (launcher->exit_code() == 0) return;
      spdlog::error("the launcher has ended (code {}); starting another",
                    launcher->exit_code().value_or(-1));
      if (!Sleep(pause)) return;
      pause = std::min(kPauseMax, pause + pause);
      // What it had started has gone with it (Wait), so the broker need not wait for it.
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
