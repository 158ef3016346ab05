#include "tools/conformance/runner.h"

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "broker/launcher/process_tree.h"
#include "tools/conformance/checks.h"

namespace bellis::conformance {
namespace {

std::string TagFor(const std::string& name) {
  return fmt::format("conformance:{}:{}:", ::getpid(), name);
}

/// nullopt: interrupted.
std::optional<Outcome> Play(const Check& check, StageOptions options) {
  options.tag = TagFor(check.name);
  options.level = std::max(options.level, check.level);
  const Instant begun = Now();
  Stage stage(options);
  Outcome outcome{&check};
  try {
    check.play(stage);
  } catch (const Broken& broken) {
    outcome.verdict = Verdict::kFails;
    outcome.sentence = broken.sentence;
  } catch (const NotShown& not_shown) {
    outcome.verdict = Verdict::kNotShown;
    outcome.sentence = not_shown.sentence;
  } catch (const Interrupted&) {
    return std::nullopt;
  }
  outcome.took = Now() - begun;
  outcome.trace = stage.trace();
  outcome.output = stage.OutputTail();
  return outcome;
}

}  // namespace

Result<std::vector<const Check*>> ChooseChecks(const RunOptions& options) {
  std::vector<const Check*> chosen;
  for (const std::string& name : options.only) {
    const auto known = std::find_if(AllChecks().begin(), AllChecks().end(),
                                    [&](const Check& check) { return check.name == name; });
    if (known == AllChecks().end()) {
      return Error{ErrorCode::kNotFound, "there is no check '" + name + "'; see --list"};
    }
  }
  for (const Check& check : AllChecks()) {
    const bool named = std::count(options.only.begin(), options.only.end(), check.name) > 0;
    if (options.only.empty() ? check.level <= options.stage.level : named) chosen.push_back(&check);
  }
  return chosen;
}

Result<int> AnnouncedLevel(StageOptions options) {
  BecomeSubreaper();
  options.tag = TagFor("level");
  Stage stage(options);
  try {
    stage.Start();
    const HelloMsg hello = stage.AwaitHello();
    if (hello.heartbeat_ms == 0) return 0;
    return hello.session != 0 && hello.greeting != 0 ? 2 : 1;
  } catch (const Broken& broken) {
    return Error{ErrorCode::kTimeout, broken.sentence};
  } catch (const Interrupted&) {
    return 0;
  }
}

std::vector<Outcome> RunChecks(const std::vector<const Check*>& checks, const RunOptions& options) {
  BecomeSubreaper();
  std::vector<size_t> order(checks.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return checks[a]->about_s > checks[b]->about_s; });
  std::vector<std::optional<Outcome>> outcomes(checks.size());
  std::atomic<size_t> next{0};
  std::vector<std::thread> threads;
  const size_t jobs = std::min(checks.size(), static_cast<size_t>(options.jobs));
  for (size_t job = 0; job < jobs; ++job) {
    threads.emplace_back([&] {
      for (size_t i = next++; i < order.size(); i = next++) {
        outcomes[order[i]] = Play(*checks[order[i]], options.stage);
        if (!outcomes[order[i]]) return;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  while (::waitpid(-1, nullptr, WNOHANG) > 0) {
    // Reaps processes that had left their worker's session, and were killed.
  }
  std::vector<Outcome> all;
  for (std::optional<Outcome>& outcome : outcomes) {
    if (outcome) all.push_back(std::move(*outcome));
  }
  return all;
}

}  // namespace bellis::conformance
