#pragma once

// Ctrl-C and its kin for commands that have something to finish first. The first signal is only
// counted; commands look at the count wherever they wait. The third ends the process at once, in
// case that it hangs.

namespace bellis {

/// From now on SIGINT, SIGTERM and SIGHUP are counted. (One that is ignored, as under nohup, stays
/// ignored.) Call it before threads are made.
void CatchInterrupts();

/// To be called in the child of a fork, before which the signals were blocked: there they end the
/// process again, also one that came in between. Safe between fork and exec.
void InterruptsEndThisProcess();

int InterruptCount();
/// The first signal that came; 0: none did.
int InterruptSignal();

/// While it lives, new threads leave those signals to the thread that made it.
class InterruptsBlocked {
 public:
  InterruptsBlocked();
  ~InterruptsBlocked();
  InterruptsBlocked(const InterruptsBlocked&) = delete;
  InterruptsBlocked& operator=(const InterruptsBlocked&) = delete;
};

}  // namespace bellis
