#pragma once

#include "bellis/result.h"

namespace bellis {

/// Whether this process may have `count` more threads now, found out by starting them. libzmq ends
/// a process that cannot start a thread, without a word of what to do; so ask before.
/// Error (kIo): the limit on processes of this user, or of its control group.
Status CheckThreads(int count);

}  // namespace bellis
