#pragma once

#include "bellis/job_spec.h"

namespace bellis {

/// The programs, scripts and settings that the commands of a job name: by path, with a digest of
/// each file. For `python worker.py --config=c.json` these are two files, and python itself if it
/// is not the system's. Words inside an argument count, too (`sh -c "..."`). Other files, and files
/// of more than 64 MiB, are taken for data, which blocks may write to. Cost: reads the files.
Environment ProgramFiles(const JobSpec& spec);

}  // namespace bellis
