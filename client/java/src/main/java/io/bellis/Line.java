package io.bellis;

/**
 * A thread that carries the messages of a {@link Conversation}, as a socket belongs to one thread.
 */
final class Line {
  /** How long to wait where more waits to be sent than the socket takes. */
  private static final long FULL_MS = 50;

  private final Conversation conversation;
  private final BootClock clock;
  private final Wire wire;
  private final Thread thread;
  private boolean isEnding; // guarded by the conversation

  Line(Conversation conversation, Access access, BootClock clock, String name) {
    this.conversation = conversation;
    this.clock = clock;
    wire = new Wire(access);
    thread = new Thread(this::run, name);
    thread.setDaemon(true);
    thread.start();
  }

  /** Waits until the broker has answered the hello. Throws what the conversation has failed of. */
  void awaitWelcome() throws InterruptedException {
    synchronized (conversation) {
      while (!conversation.isWelcomed() && !conversation.isOver()) {
        conversation.wait();
      }
      conversation.throwFailure();
    }
  }

  /** There is something to send. */
  void wake() {
    wire.wake();
  }

  /** Sends what there is, and ends. Waits for that, a second and a bit at most. */
  void end() {
    synchronized (conversation) {
      isEnding = true;
    }
    wire.wake();
    boolean wasInterrupted = false;
    while (thread.isAlive()) {
      try {
        thread.join();
      } catch (InterruptedException interrupt) {
        wasInterrupted = true;
      }
    }
    if (wasInterrupted) {
      Thread.currentThread().interrupt();
    }
  }

  private void run() {
    try {
      while (carry()) {
        wire.await(timeoutMs());
        awaitFence();
      }
    } catch (RuntimeException error) {
      synchronized (conversation) {
        conversation.fail(
            new BrokerException(BrokerException.NO_BROKER, "the connection failed: " + error));
        conversation.notifyAll();
      }
    } finally {
      wire.close();
    }
  }

  /** A process that was stopped finds messages, but its leases are over: the fence comes first. */
  private void awaitFence() {
    synchronized (conversation) {
      while (conversation.isFenced(clock.now()) && !isEnding) {
        try {
          conversation.wait(1);
        } catch (InterruptedException nobodys) {
          return;
        }
      }
    }
  }

  private long timeoutMs() {
    synchronized (conversation) {
      if (conversation.hasMessages()) {
        return FULL_MS;
      }
      long now = clock.now();
      return Math.max(0, (conversation.due(now) - now + BootClock.MS - 1) / BootClock.MS);
    }
  }

  /** Handles all that has come, and sends what there is. False: it is to end. */
  private boolean carry() {
    synchronized (conversation) {
      boolean hasNews = false;
      for (byte[] message = wire.receive(); message != null; message = wire.receive()) {
        conversation.receive(message, clock.now());
        hasNews = true;
      }
      boolean wasOver = conversation.isOver();
      conversation.tick(clock.now());
      if (hasNews || wasOver != conversation.isOver()) {
        conversation.notifyAll();
      }
      if (conversation.takeReopen()) {
        wire.reopen();
      }
      for (byte[] message = conversation.nextMessage();
          message != null;
          message = conversation.nextMessage()) {
        if (!wire.send(message)) {
          conversation.putBack(message);
          break;
        }
      }
      return !isEnding;
    }
  }
}
