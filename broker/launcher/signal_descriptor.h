#pragma once

// Signals as events of the launcher's loop.

namespace bellis {

/// Blocks CHLD, TERM, INT and HUP, and returns a descriptor to read them from (signalfd); ignores
/// PIPE. Must be called before any thread is started, because threads inherit the mask. The caller
/// closes the descriptor.
int SignalDescriptor();

}  // namespace bellis
