#pragma once

// Handles Ctrl-C and similar signals for commands that must finish something first. The first
// signals are only counted; commands look at the count wherever they wait. The third signal ends
// the process at once, in case it hangs.

namespace bellis {

/// From now on SIGINT, SIGTERM and SIGHUP are counted. (A signal that is ignored, as under nohup,
/// stays ignored.) Must be called before threads are started.
void CatchInterrupts();

/// Must be called in the child of a fork before which the signals were blocked. In the child they
/// end the process again, even a signal that came meanwhile. Safe between fork and exec.
void InterruptsEndThisProcess();

int InterruptCount();
/// The first signal that came; 0: none.
int InterruptSignal();

/// While this object lives, the signals are blocked in its thread, and in threads started there.
class InterruptsBlocked {
 public:
  InterruptsBlocked();
  ~InterruptsBlocked();
  InterruptsBlocked(const InterruptsBlocked&) = delete;
  InterruptsBlocked& operator=(const InterruptsBlocked&) = delete;
};

}  // namespace bellis
