#pragma once

// The subcommands of `bellis`, each in its own file. Each Add... function adds one to `app`. The
// chosen subcommand runs while the command line is parsed, and sets `*exit_code`.

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
/// `program`: the words after "--" on the command line.
void AddExecCommand(CLI::App* app, const std::vector<std::string>& program, int* exit_code);
/// The same.
void AddWireCommand(CLI::App* app, const std::vector<std::string>& program, int* exit_code);

void AddBenchCommand(CLI::App* app, int* exit_code);
void AddConformanceCommand(CLI::App* app, const std::vector<std::string>& program, int* exit_code);

/// Which broker to talk to.
struct BrokerAddress {
  std::string endpoint;  // empty: the access file's, else the default
  std::string access_file;
};

/// Adds --endpoint and --access.
void AddBrokerOptions(CLI::App* command, BrokerAddress* address);

/// The access from the address's access file, else from the environment. It always has an endpoint.
Result<Access> AccessOf(const BrokerAddress& address);

Result<Control> ConnectTo(const BrokerAddress& address);

/// Runs the whole command line, and returns main's exit code.
int BellisMain(int argc, char** argv);

}  // namespace bellis
