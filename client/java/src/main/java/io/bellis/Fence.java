package io.bellis;

/**
 * Ends the process when the leases of what it works on cannot be kept: by then nothing of it may
 * run any more, since the broker hands its blocks to others. A thread that takes no lock looks at
 * the clock, at least five times within the margin of {@link LeaseTime}.
 *
 * <p>A JVM that is stopped, by a signal or for its garbage, cannot end itself before it goes on.
 */
final class Fence {
  private static final long LOOK_MS = 50;
  private static final int LOOKS_PER_MARGIN = 5;

  /** As that of a process that SIGKILL has ended. */
  private static final int EXIT_CODE = 137;

  private final LeaseTime time;
  private final BootClock clock;
  private final Runnable kill;
  private final Thread thread;
  private volatile boolean isEnding;

  Fence(LeaseTime time, BootClock clock, Runnable kill) {
    this.time = time;
    this.clock = clock;
    this.kill = kill;
    thread = new Thread(this::run, "bellis-fence");
    thread.setDaemon(true);
    thread.setPriority(Thread.MAX_PRIORITY);
    thread.start();
  }

  /** Ends this process, and all that it has started. */
  static void killProcess() {
    Thread speaker =
        new Thread(
            () -> System.err.println("bellis: the leases of this worker have ended; so does it"));
    speaker.setDaemon(true); // It may be stuck: nobody waits for it for long.
    speaker.start();
    ProcessHandle.current().descendants().forEach(ProcessHandle::destroyForcibly);
    try {
      speaker.join(10);
    } catch (InterruptedException interrupt) {
      // It ends anyway.
    }
    Runtime.getRuntime().halt(EXIT_CODE);
  }

  void end() {
    isEnding = true;
    thread.interrupt();
  }

  private void run() {
    while (!isEnding) {
      if (time.mustEnd(clock.now())) {
        kill.run();
        return;
      }
      long margin = time.margin() / BootClock.MS;
      long pause = margin > 0 ? Math.min(LOOK_MS, Math.max(1, margin / LOOKS_PER_MARGIN)) : LOOK_MS;
      try {
        Thread.sleep(pause);
      } catch (InterruptedException interrupt) {
        // It may be ending.
      }
    }
  }
}
