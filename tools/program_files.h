#pragma once

#include "bellis/job_spec.h"

namespace bellis {

/// The programs, scripts and settings that the commands of a job name, with a digest of what is in
/// each, by path: those of `python worker.py --config=c.json` are two files, and the program
/// itself, if it is not the system's. Words of an argument count as well (`sh -c "..."`). Other
/// files are data, which blocks may write to, and so are those of more than 64 MiB. Cost: the files
/// are read.
Environment ProgramFiles(const JobSpec& spec);

}  // namespace bellis
