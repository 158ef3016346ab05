package io.bellis;

/** A worker for a test, which says when it has begun a block, and never ends it. */
public final class SleepProbe {
  private SleepProbe() {}

  /** Works until it is ended. */
  public static void main(String[] arguments) throws InterruptedException {
    try (Worker worker = Worker.fromEnvironment()) {
      worker.work(
          block -> {
            System.out.println("begun");
            Thread.sleep(Long.MAX_VALUE);
          });
    }
  }
}
