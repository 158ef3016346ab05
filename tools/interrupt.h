#pragma once

// Ctrl-C and its kin for commands that have something to finish first. The first signal is only
// counted; commands look at the count wherever they wait. The third ends the process at once, in
// case that it hangs.

namespace bellis {

/// From now on SIGINT, SIGTERM and SIGHUP are counted. (One that is ignored, as under nohup, stays
/// ignored.) Call it before threads are made.
void CatchInterrupts();

/// After a fork, with the signals blocked before it: in the child they end the process again, also
/// one that came meanwhile. Safe between fork and exec.
void InterruptsEndThisProcess();

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
