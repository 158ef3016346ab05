#pragma once

// The subcommands of `bellis`, a file each. Each Add... hangs one into `app`; when it is chosen, it
// runs while the command line is parsed and leaves its exit code in `*exit_code`.

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "bellis/control.h"
#include "bellis/result.h"
#include "common/access/access.h"
#include "common/endpoint.h"

namespace bellis {

void AddRunCommand(CLI::App* app, int* exit_code);
void AddPlanCommand(CLI::App* app, int* exit_code);
void AddSubmitCommand(CLI::App* app, int* exit_code);
void AddJobsCommand(CLI::App* app, int* exit_code);
void AddStatusCommand(CLI::App* app, int* exit_code);
void AddWatchCommand(CLI::App* app, int* exit_code);
void AddCancelCommand(CLI::App* app, int* exit_code);
void AddRetryCommand(CLI::App* app, int* exit_code);
void AddPauseCommand(CLI::App* app, int* exit_code);
void AddResumeCommand(CLI::App* app, int* exit_code);
void AddWorkersCommand(CLI::App* app, int* exit_code);
void AddWorkerGoneCommand(CLI::App* app, int* exit_code);
void AddExplainCommand(CLI::App* app, int* exit_code);
/// `program`: what stands after "--" on the command line.
void AddExecCommand(CLI::App* app, const std::vector<std::string>& program, int* exit_code);

/// Which broker to talk to.
struct BrokerAddress {
  std::string endpoint;  // empty: as the access file says, else the default
  std::string access_file;
};

/// --endpoint and --access.
void AddBrokerOptions(CLI::App* command, BrokerAddress* address);

/// The access that the address's access file gives, else the environment. It names an endpoint.
Result<Access> AccessOf(const BrokerAddress& address);

Result<Control> ConnectTo(const BrokerAddress& address);

/// Runs the whole command line; what main returns.
int BellisMain(int argc, char** argv);

}  // namespace bellis
