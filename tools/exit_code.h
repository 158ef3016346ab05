#pragma once

// The exit codes of `bellis`. They are also in --help.

#include "bellis/job_status.h"
#include "bellis/result.h"

namespace bellis {

enum ExitCode : int {
  kExitOk = 0,            // every block completed, or the request was carried out
  kExitBlocksFailed = 1,  // blocks failed or were orphaned, or the job was given up or cancelled;
                          // for `plan`: blocks would overwrite each other's chunks
  kExitBadInput = 2,      // usage, pipeline file, no such job or worker, refused by the broker
  kExitSystem = 3,        // no broker, broker lost, system trouble
  kExitChanged = 4,       // blocks of a stored job were done by other programs
  kExitNotExecutable = 126,  // as of shells: the program that was named cannot be executed,
  kExitNotFound = 127,       // or is not there
  kExitSignal = 128,         // + the signal that interrupted: 130 Ctrl-C, 143 TERM
};

inline constexpr const char* kExitCodeHelp =
    "Exit codes:\n"
    "  0    every block completed, or what was asked for was done\n"
    "  1    blocks failed or were orphaned, or the job was given up or cancelled\n"
    "  2    bad input: usage, pipeline file, no such job, task or worker, what the broker refuses\n"
    "  3    no broker, broker lost, or trouble with the system\n"
    "  4    blocks of this job were done by other programs: --resume or --fresh\n"
    "  130  interrupted (Ctrl-C); 143 terminated";

int ExitCodeFor(const Error& error);
/// The exit code where FindProgram ended in that error.
int ExitCodeForProgram(const Error& error);
/// The exit code for a job that has ended.
int ExitCodeFor(const JobStatus& status);

/// Writes "bellis: <message>" to stderr and returns the error's exit code.
int Complain(const Error& error);

}  // namespace bellis
