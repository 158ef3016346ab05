#pragma once

// What becomes of a job of the same name that a broker has stored: a second `run`, a second
// `submit`.

#include <CLI/CLI.hpp>

#include "client/cpp/control.h"

namespace bellis {

struct StoredOptions {
  bool fresh = false;
  bool resume = false;
};

/// --fresh and --resume, one of them at most.
void AddStoredOptions(CLI::App* command, StoredOptions* options);

/// Submits `spec` with digests of its programs. Without either option a stored job goes on if its
/// blocks were done by the same programs; else, with `ask`, the terminal is asked what is wanted.
/// Errors: as of Control::Submit; kDifferentPrograms names the options.
Result<SubmittedMsg> SubmitStored(Control& control, JobSpec spec, const StoredOptions& options,
                                  bool ask);

/// Whether somebody sits there who can be asked: stdin and stderr are a terminal.
bool CanAsk();

}  // namespace bellis
