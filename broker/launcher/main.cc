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

namespace {

constexpr int kExitTrouble = 1;
constexpr int kExitUsage = 2;

/// Removes our access from the environment: workers get their own from the broker.
void ForgetAccess() {
  for (const auto& [name, value] : bellis::AccessVariables({})) unsetenv(name.c_str());
}

}  // namespace

int main(int argc, char** argv) {
  // Away from the terminal and the process group of whoever started us: a Ctrl-C is for them, and
  // they tell us. Fails for a group leader, that is, when started by hand; then Ctrl-C is for us.
  setsid();

  bellis::LocalLauncherOptions options;
  std::string endpoint;
  std::string access_file;
  std::string log_level = "warn";
  CLI::App app{
      "Starts local worker processes for a Bellis broker, and ends them when it ends.\n"
      "Exit codes: 0 the broker said leave; 1 the broker refused this launcher, or the endpoint "
      "is\n"
      "unusable; 2 wrong usage; 3 the parent (--parent-fd) is gone; 4 TERM, INT or HUP came."};
  app.set_version_flag("--version", BELLIS_VERSION);
  app.add_option(
         "--endpoint", endpoint,
         "Where the broker is: ipc://PATH, tcp://HOST:PORT (default: as the access file says)")
      ->envname("BELLIS_ENDPOINT");
  app.add_option("--access", access_file,
                 "The broker's access file for launchers (default: the keys in the environment, or "
                 "the file that BELLIS_ACCESS names)");
  app.add_option(
         "--parent-fd", options.parent_fd,
         "End all workers and exit at end of file of this descriptor, the read end of a pipe "
         "whose write end the parent holds")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--parent-pid", options.parent_pid, "The parent's process id: watched too")
      ->check(CLI::PositiveNumber);
  double linger = 0;
  app.add_option("--linger", linger,
                 "Seconds that workers go on when the parent was killed: a broker may come back to "
                 "the endpoint and take them over")
      ->check(CLI::Range(0.0, 86'400.0))
      ->capture_default_str();
  app.add_option("--former-pid", options.former_pid,
                 "Process id of the ended launcher that this one replaces")
      ->check(CLI::PositiveNumber);
  app.add_option("--log-level", log_level, "What to print to stderr")
      ->check(CLI::IsMember({"debug", "info", "warn", "error", "off"}))
      ->capture_default_str();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kExitUsage;
  }

  spdlog::set_default_logger(spdlog::stderr_color_mt("bellis-launcher"));
  spdlog::set_formatter(bellis::LogFormat("%H:%M:%S.%e %n: %^%l%$: %*"));
  spdlog::set_level(spdlog::level::from_str(log_level));

  bellis::Result<bellis::Access> access = bellis::FindAccess(access_file);
  if (!access.ok()) {
    spdlog::error("{}", access.error().message);
    return kExitTrouble;
  }
  options.access = *access;
  if (!endpoint.empty()) options.access.endpoint = endpoint;
  if (options.access.endpoint.empty()) {
    spdlog::error("no endpoint is given: --endpoint, or an access file that names one");
    return kExitUsage;
  }
  ForgetAccess();
  options.linger = bellis::Duration::Seconds(linger);
  const bellis::Result<bellis::LauncherEnd> end = bellis::RunLocalLauncher(options);
  if (!end.ok()) {
    spdlog::error("{}", end.error().message);
    return kExitTrouble;
  }
  return static_cast<int>(*end);
}
