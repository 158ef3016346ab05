package io.bellis;

import java.util.Map;

/** A client's connection. Any thread may use it. */
final class ClientLine implements AutoCloseable {
  private final BootClock clock = new BootClock();
  private final ClientSession session;
  private final Line line;

  /** Waits until the broker answers. */
  ClientLine(Access access, long connectTimeoutMs) throws InterruptedException {
    session = new ClientSession(access, connectTimeoutMs, clock.now());
    line = new Line(session, access, clock, "bellis-client");
    try {
      line.awaitWelcome();
    } catch (InterruptedException | RuntimeException error) {
      close();
      throw error;
    }
  }

  String broker() {
    synchronized (session) {
      return session.broker();
    }
  }

  /** Sends a request, and waits for its answer. */
  <T> T ask(String kind, Map<String, Object> fields, Class<T> type, long timeoutMs)
      throws InterruptedException {
    synchronized (session) {
      ClientSession.Request request = request(kind, fields);
      try {
        long until = System.nanoTime() + timeoutMs * BootClock.MS;
        while (request.answer() == null) {
          throwIfOver();
          long leftMs = (until - System.nanoTime()) / BootClock.MS;
          if (leftMs <= 0) {
            throw new BrokerException(
                BrokerException.NO_BROKER,
                "the broker has not answered %s for %d ms: whether it was carried out is not known"
                    .formatted(kind, timeoutMs));
          }
          session.wait(leftMs);
        }
        if (!type.isInstance(request.answer())) {
          throw new BrokerException(
              BrokerException.BAD_MESSAGE, "the answer to " + kind + " is that to another request");
        }
        return type.cast(request.answer());
      } finally {
        session.forget(request);
      }
    }
  }

  /** Sends a request that has several answers. */
  ClientSession.Request request(String kind, Map<String, Object> fields) {
    synchronized (session) {
      throwIfOver();
      ClientSession.Request request = session.request(kind, fields);
      line.wake();
      return request;
    }
  }

  /** An event of a watch. */
  record Event(JobStatus status, boolean isEnd) {}

  /** Waits for the next event of a watch, without limit. */
  Event nextOf(ClientSession.Request watch) throws InterruptedException {
    synchronized (session) {
      while (true) {
        JobStatus end = watch.end();
        JobStatus news = watch.takeNews();
        if (end != null || news != null) {
          return new Event(end != null ? end : news, end != null);
        }
        throwIfOver();
        session.wait();
      }
    }
  }

  @Override
  public void close() {
    synchronized (session) {
      session.bye("");
      session.notifyAll();
    }
    line.end();
  }

  private void throwIfOver() {
    session.throwFailure();
    if (session.isOver()) {
      throw new IllegalStateException("it is closed");
    }
  }
}
