// bellis-launcher: starts local worker processes for a broker. See local_launcher.h.

#include <signal.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <string>
#include <utility>

#include "bellis/version.h"
#include "broker/launcher/local_launcher.h"
#include "broker/launcher/log_format.h"

namespace bellis {
namespace {

constexpr int kExitTrouble = 1;
constexpr int kExitUsage = 2;

struct CommandLine {
  std::string endpoint;
  std::string access_file;
  int parent_fd = -1;
  pid_t parent_pid = 0;
  double linger = 0;
  pid_t former_pid = 0;
  std::string log_level = "warn";
};

void AddOptions(CLI::App* app, CommandLine* line) {
  app->set_version_flag("--version", BELLIS_VERSION);
  app->add_option(
         "--endpoint", line->endpoint,
         "Where the broker is: ipc://PATH, tcp://HOST:PORT (default: as the access file says)")
      ->envname("BELLIS_ENDPOINT");
  app->add_option("--access", line->access_file,
                  "The broker's access file for launchers (default: the keys in the environment, "
                  "or the file that BELLIS_ACCESS names)");
  app->add_option(
         "--parent-fd", line->parent_fd,
         "End all workers and exit at end of file of this descriptor, the read end of a pipe "
         "whose write end the parent holds")
      ->check(CLI::NonNegativeNumber);
  app->add_option("--parent-pid", line->parent_pid, "The parent's process id: watched too")
      ->check(CLI::PositiveNumber);
  app->add_option("--linger", line->linger,
                  "Seconds that workers go on when the parent was killed: a broker may come back "
                  "to the endpoint and take them over")
      ->check(CLI::Range(0.0, 86'400.0))
      ->capture_default_str();
  app->add_option("--former-pid", line->former_pid,
                  "Process id of the ended launcher that this one replaces")
      ->check(CLI::PositiveNumber);
  app->add_option("--log-level", line->log_level, "What to print to stderr")
      ->check(CLI::IsMember({"debug", "info", "warn", "error", "off"}))
      ->capture_default_str();
}

void SetUpLog(const std::string& level) {
  spdlog::set_default_logger(spdlog::stderr_color_mt("bellis-launcher"));
  spdlog::set_formatter(LogFormat("%H:%M:%S.%e %n: %^%l%$: %*"));
  spdlog::set_level(spdlog::level::from_str(level));
}

/// Removes this launcher's access from the environment: workers get their own from the broker.
void ForgetAccess() {
  for (const auto& [name, value] : AccessVariables({})) unsetenv(name.c_str());
}

/// Returns the exit code.
int Launch(const CommandLine& line) {
  Result<Access> access = FindAccess(line.access_file);
  if (!access.ok()) {
    spdlog::error("{}", access.error().message);
    return kExitTrouble;
  }
  if (!line.endpoint.empty()) access->endpoint = line.endpoint;
  if (access->endpoint.empty()) {
    spdlog::error("no endpoint is given: --endpoint, or an access file that names one");
    return kExitUsage;
  }
  ForgetAccess();
  const Result<LauncherEnd> end = RunLocalLauncher({.access = *access,
                                                    .parent_fd = line.parent_fd,
                                                    .parent_pid = line.parent_pid,
                                                    .former_pid = line.former_pid,
                                                    .linger = Duration::Seconds(line.linger)});
  if (!end.ok()) {
    spdlog::error("{}", end.error().message);
    return kExitTrouble;
  }
  return static_cast<int>(*end);
}

}  // namespace
}  // namespace bellis

int main(int argc, char** argv) {
  // Leaves the terminal and process group of the parent: a Ctrl-C is for the parent, which then
  // ends this launcher. Fails for a group leader, that is, a launcher that was started by hand;
  // then a Ctrl-C is for the launcher.
  setsid();

  bellis::CommandLine line;
  CLI::App app{
      "Starts local worker processes for a Bellis broker, and ends them when it ends.\n"
      "Exit codes: 0 the broker said leave; 1 the broker refused this launcher, or the endpoint "
      "is\n"
      "unusable; 2 wrong usage; 3 the parent (--parent-fd) is gone; 4 TERM, INT or HUP came."};
  bellis::AddOptions(&app, &line);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : bellis::kExitUsage;
  }
  bellis::SetUpLog(line.log_level);
  return bellis::Launch(line);
}
