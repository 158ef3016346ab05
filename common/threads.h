#pragma once

#include "bellis/result.h"

namespace bellis {

/// Checks that this process may have `count` more threads now, by starting them. libzmq ends a
/// process that cannot start a thread, without saying what to do, so this must be called first.
/// Error (kIo): the limit on processes of this user, or of its control group, is reached.
Status CheckThreads(int count);

}  // namespace bellis
