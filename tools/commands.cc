#include "tools/commands.h"

#include <algorithm>
#include <string_view>

#include "bellis/version.h"
#include "client/cpp/environment.h"
#include "tools/exit_code.h"
#include "tools/suggestion.h"

namespace bellis {
namespace {

/// The position of "--" in `bellis exec ... -- PROGRAM ...`, in `conformance` and `wire`; argc for
/// any other command line.
int ProgramBegin(int argc, char** argv) {
  const std::string_view command = argc < 2 ? "" : argv[1];
  if (command != "exec" && command != "conformance" && command != "wire") return argc;
  const auto is_mark = [](std::string_view argument) { return argument == "--"; };
  return static_cast<int>(std::find_if(argv + 2, argv + argc, is_mark) - argv);
}

}  // namespace

void AddBrokerOptions(CLI::App* command, BrokerAddress* address) {
  command->add_option(
      "--endpoint", address->endpoint,
      "the broker: ipc://PATH or tcp://HOST:PORT (default: that of the --access file, else "
      "BELLIS_ENDPOINT, else that of the file that BELLIS_ACCESS names, else " +
          DefaultEndpoint() + ")");
  command->add_option("--access", address->access_file,
                      "the broker's access file (default: the keys in the environment, else the "
                      "file that BELLIS_ACCESS names)");
}

Result<Access> AccessOf(const BrokerAddress& address) {
  Result<Access> access = FindAccess(address.access_file);
  if (!access.ok()) return access;
  const auto variable = EnvironmentValue("BELLIS_ENDPOINT");
  if (!address.endpoint.empty()) {
    access->endpoint = address.endpoint;
  } else if (variable && (address.access_file.empty() || access->endpoint.empty())) {
    access->endpoint = *variable;
  }
  if (access->endpoint.empty()) access->endpoint = DefaultEndpoint();
  return access;
}

Result<Control> ConnectTo(const BrokerAddress& address) {
  Result<Access> access = AccessOf(address);
  if (!access.ok()) return access.error();
  const Result<Duration> timeout = ConnectTimeoutFromEnvironment(Duration::Seconds(5));
  if (!timeout.ok()) return timeout.error();
  return Control::Connect({access->endpoint, access->token, *timeout, access->keys});
}

int BellisMain(int argc, char** argv) {
  // The program that follows `--` is cut off here, because CLI11 would read "[1,2]" as two
  // arguments.
  const int end = ProgramBegin(argc, argv);
  const std::vector<std::string> program(argv + std::min(end + 1, argc), argv + argc);
  CLI::App app{"Bellis: blockwise tasks over volumes too large for one machine's memory."};
  app.name("bellis");
  app.set_version_flag("--version", "bellis " BELLIS_VERSION);
  app.require_subcommand(1);
  app.footer(kExitCodeHelp);
  int exit_code = kExitOk;
  AddRunCommand(&app, &exit_code);
  AddPlanCommand(&app, &exit_code);
  AddSubmitCommand(&app, &exit_code);
  AddJobsCommand(&app, &exit_code);
  AddStatusCommand(&app, &exit_code);
  AddWatchCommand(&app, &exit_code);
  AddCancelCommand(&app, &exit_code);
  AddRetryCommand(&app, &exit_code);
  AddPauseCommand(&app, &exit_code);
  AddResumeCommand(&app, &exit_code);
  AddWorkersCommand(&app, &exit_code);
  AddWorkerGoneCommand(&app, &exit_code);
  AddExplainCommand(&app, &exit_code);
  AddBenchCommand(&app, &exit_code);
  AddExecCommand(&app, program, &exit_code);
  AddConformanceCommand(&app, program, &exit_code);
  AddWireCommand(&app, program, &exit_code);
  try {
    app.parse(end, argv);
  } catch (const CLI::ParseError& error) {
    const std::string unknown = UnknownWordText(app, end, argv);
    if (error.get_exit_code() != 0 && !unknown.empty()) {
      return Complain({ErrorCode::kInvalidSpec, unknown});
    }
    return app.exit(error) == 0 ? kExitOk : kExitBadInput;
  }
  return exit_code;
}

}  // namespace bellis
