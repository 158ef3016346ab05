#pragma once

// Signals as events of the launcher's loop.

namespace bellis {

/// CHLD, TERM, INT and HUP are blocked from now on, and read from the descriptor that this returns
/// (signalfd); PIPE is ignored. To be called before any thread is made: threads inherit the mask.
/// The descriptor is the caller's to close.
int SignalDescriptor();

}  // namespace bellis
