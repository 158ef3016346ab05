#pragma once

// What happens to a stored job when a job of the same name is run or submitted again.

#include <CLI/CLI.hpp>

#include "bellis/control.h"

namespace bellis {

struct StoredOptions {
  bool fresh = false;
  bool resume = false;
};

/// Adds --fresh and --resume, of which at most one may be given.
void AddStoredOptions(CLI::App* command, StoredOptions* options);

/// Submits `spec` with digests of its programs. Without either option, a stored job is resumed if
/// its blocks were done by the same programs; if not, `ask` says whether to ask the user on the
/// terminal. Errors: those of Control::Submit; kDifferentPrograms names the options.
Result<Submitted> SubmitStored(Control& control, JobSpec spec, const StoredOptions& options,
                               bool ask);

/// Whether a user can be asked: stdin and stderr are a terminal.
bool CanAsk();

}  // namespace bellis
