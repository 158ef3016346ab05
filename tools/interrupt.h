#pragma once

// Ctrl-C and its kin for commands that have something to finish first. The first signal is only
// counted; commands look at the count wherever they wait. The third ends the process at once, in
// case that it hangs.

namespace bellis {

/// From now on SIGINT, SIGTERM and SIGHUP are counted. (One that is ignored, as under nohup, stays
/// ignored.) Call it before threads are made.
void CatchInterrupts();

int InterruptCount();
/// The first signal that came; 0: none did.
int InterruptSignal();

/// While it lives, threads that are made leave those signals to this one.
class InterruptsBlocked {
 public:
  InterruptsBlocked();
  ~InterruptsBlocked();
  InterruptsBlocked(const InterruptsBlocked&) = delete;
  InterruptsBlocked& operator=(const InterruptsBlocked&) = delete;
};

}  // namespace bellis
