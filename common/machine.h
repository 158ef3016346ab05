#pragma once

#include <cstdint>
#include <string>

namespace bellis {

/// A name for the kernel that runs this process, together with its pid namespace: for two processes
/// with the same machine name, the same pid means the same process (WORKERS.md "Machine"). Empty
/// if it cannot be found out.
std::string MachineName();

/// The name of this machine, from gethostname; empty if it cannot be found out.
std::string HostName();

/// Whether no process of this machine has that pid any more. A process that is dead, but not yet
/// reaped, counts as gone. If a new process has the pid, it is taken for the old one.
bool ProcessIsGone(int64_t pid);

}  // namespace bellis
