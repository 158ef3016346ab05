#pragma once

// What becomes of a stored job when a job of the same name is run or submitted again.

#include <CLI/CLI.hpp>

#include "bellis/control.h"

namespace bellis {

struct StoredOptions {
  bool fresh = false;
  bool resume = false;
};

/// --fresh and --resume, one of them at most.
void AddStoredOptions(CLI::App* command, StoredOptions* options);

/// Submits `spec` with digests of its programs. Without either option a stored job is resumed if
/// its blocks were done by the same programs. Otherwise, with `ask`, the user is asked on the
/// terminal. Errors: as of Control::Submit; kDifferentPrograms names the options.
Result<Submitted> SubmitStored(Control& control, JobSpec spec, const StoredOptions& options,
                               bool ask);

/// Whether somebody sits there who can be asked: stdin and stderr are a terminal.
bool CanAsk();

}  // namespace bellis
