#pragma once

#include <cstdint>
#include <string>

namespace bellis {

/// Names the kernel that runs this process and its pid namespace: two processes with the same name
/// mean the same process by the same pid (PROTOCOL.md "Machine"). Empty where it cannot be told.
std::string MachineName();

/// The name of this machine, as gethostname has it; empty where it cannot be told.
std::string HostName();

/// Whether no process of this machine has that pid any more; one that is dead but not yet reaped
/// counts as gone. A pid that a new process has does not: that process is taken for the old one.
bool ProcessIsGone(int64_t pid);

}  // namespace bellis
