#include "tools/stored_job.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <string>

#include "common/text/printable.h"
#include "tools/program_files.h"

namespace bellis {
namespace {

/// Asks the user. "r": resume, "f": start over; anything else, end of input or a signal: neither.
char Ask(const std::string& what) {
  std::fprintf(stderr,
               "bellis: %s.\nResume with these programs (r), start over (f), or stop (any other)? ",
               Printable(what).c_str());
  std::string line;
  std::getline(std::cin, line);
  return line.empty() ? ' ' : line[0];
}

Result<Submitted> StartOver(Control& control, const JobSpec& spec) {
  // The stored job of a killed run counts as running, so it is cancelled here. For any other job
  // this has no effect.
  static_cast<void>(control.Cancel(spec.name, "it is started over").ok());
  return control.Submit(spec, Stored::kForget);
}

}  // namespace

void AddStoredOptions(CLI::App* command, StoredOptions* options) {
  CLI::Option* fresh =
      command->add_flag("--fresh", options->fresh,
                        "start over, whatever an earlier run of a job of this name has done");
  command
      ->add_flag("--resume", options->resume,
                 "continue where the job stopped, though its blocks were done by other programs "
                 "(commands, "
                 "environment or files that commands name)")
      ->excludes(fresh);
}

Result<Submitted> SubmitStored(Control& control, JobSpec spec, const StoredOptions& options,
                               bool ask) {
  spec.origin.files = ProgramFiles(spec);
  if (options.fresh) return StartOver(control, spec);
  if (options.resume) return control.Submit(spec, Stored::kGoOn);
  Result<Submitted> answer = control.Submit(spec, Stored::kGoOnSame);
  if (answer.ok() || answer.error().code != ErrorCode::kDifferentPrograms) return answer;
  const std::string what = answer.error().message;
  if (ask) {
    // Pauses the job, so that no block is handed out while the user decides. The job that is
    // submitted next is not paused.
    static_cast<void>(control.Pause(spec.name).ok());
    const char wish = Ask(what);
    if (wish == 'r') return control.Submit(spec, Stored::kGoOn);
    if (wish == 'f') return StartOver(control, spec);
  }
  return Error{ErrorCode::kDifferentPrograms,
               what + ": --resume continues all the same, --fresh starts over"};
}

bool CanAsk() { return ::isatty(STDIN_FILENO) != 0 && ::isatty(STDERR_FILENO) != 0; }

}  // namespace bellis
