package io.bellis;

import java.util.Map;
import java.util.NoSuchElementException;

/** The events of a job, from {@link Control#watch}. One thread uses it. */
public final class Watch implements AutoCloseable {
  private final ClientLine line;
  private final ClientSession.Request request;
  private boolean isDone;

  Watch(ClientLine line, String job, int intervalMs) {
    this.line = line;
    try {
      request = line.request("watch", Map.of("job", job, "interval_ms", intervalMs));
    } catch (RuntimeException error) {
      line.close();
      throw error;
    }
  }

  /**
   * Whether the last event has been returned.
   *
   * @return true once next has returned the end of the job
   */
  public boolean hasEnded() {
    return isDone;
  }

  /**
   * Waits for the next event, without limit. The first comes at once, the others when something has
   * changed; where events come faster than they are asked for, only the latest is returned. The
   * last is the job's end.
   *
   * @return how far the job is
   * @throws BrokerException if the broker refuses to let it be watched, or is lost
   * @throws NoSuchElementException if the last event has been returned
   * @throws InterruptedException if this thread is interrupted
   */
  public JobStatus next() throws InterruptedException {
    if (isDone) {
      throw new NoSuchElementException("the job has ended: there are no more events");
    }
    ClientLine.Event event = line.nextOf(request);
    isDone = event.isEnd();
    return event.status();
  }

  /** Says bye and disconnects. */
  @Override
  public void close() {
    line.close();
  }
}
