package io.bellis;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Map;

/**
 * What a peer says to a broker and makes of its answers, without a socket, a clock or a thread:
 * messages and times go in, messages come out. {@link Line} carries them.
 *
 * <p>Here is what workers and clients have in common: a hello is said again until it is answered; a
 * broker that is silent is pinged after 10 s, and looked for over another socket after 20 s, since
 * ZeroMQ does not tell when a connection breaks (TRANSPORT.md, "When the broker is silent").
 *
 * <p>Whoever calls a method holds this object's monitor, and waits on it for what comes. Times are
 * in nanoseconds, by one clock.
 */
abstract class Conversation {
  static final long SECOND = 1_000_000_000L;
  static final long SILENCE = 10 * SECOND;

  /** Nobody need look at the clock later than this. */
  private static final long TICK = SECOND;

  /** A tick that comes so late was not late by itself: the process was stopped. */
  private static final long STALL = 5 * SECOND;

  private final Deque<byte[]> outbox = new ArrayDeque<>();
  private final String endpoint;
  private boolean reopen;
  private boolean over;
  private BrokerException failure;
  private boolean wasWelcomed;
  private boolean welcomed;
  private long helloSaid;
  private long heard;
  private long pinged;
  private long opened;
  private long ticked;

  Conversation(Access access, long now) {
    endpoint = access.endpoint();
    heard = pinged = opened = ticked = now;
  }

  // ---- for Line ----

  /** A message has come. One that is not understood is passed over. */
  final void receive(byte[] data, long now) {
    heard = now;
    if (over) {
      return;
    }
    try {
      handle(Message.decode(data, task()), now);
    } catch (BrokerException error) {
      fail(error);
    }
  }

  /** To be called when it is due, and at any other time. */
  final void tick(long now) {
    if (now - ticked > STALL) {
      heard += now - ticked; // Time in which nobody listened is no silence.
    }
    ticked = now;
    if (over || isStill()) {
      return;
    }
    long silent = now - heard;
    if (silent >= patience()) {
      fail(
          new BrokerException(
              BrokerException.NO_BROKER,
              "no broker answers at %s for %.3g s".formatted(endpoint, silent / 1e9)
                  + (wasWelcomed ? "" : ": is the endpoint right, and are the keys?")));
    } else if (silent >= 2 * SILENCE && now - opened >= 2 * SILENCE) {
      reopen = true;
      opened = now;
      outbox.clear();
      sayHello(now);
    } else if (!welcomed && now - helloSaid >= helloEvery()) {
      sayHello(now);
    } else if (welcomed && silent >= SILENCE && now - pinged >= SILENCE) {
      ping(now);
    }
    if (!over) {
      look(now);
    }
  }

  /** When tick is to be called again, at the latest. */
  final long due(long now) {
    return over ? now + TICK : Math.min(now + TICK, nextLook(now));
  }

  /** The process is about to be ended ({@link Fence}): nothing that comes is to be acted on. */
  boolean isFenced(long now) {
    return false;
  }

  /** The next message to send, which is taken out; null: none. */
  final byte[] nextMessage() {
    return outbox.poll();
  }

  /** The message could not be sent; it is the next one again. */
  final void putBack(byte[] message) {
    outbox.addFirst(message);
  }

  final boolean hasMessages() {
    return !outbox.isEmpty();
  }

  /** Whether another socket is to be opened before anything else is sent. True once. */
  final boolean takeReopen() {
    boolean taken = reopen;
    reopen = false;
    return taken;
  }

  // ---- for those who wait ----

  /** Nothing comes any more: the conversation has ended, or failed. */
  final boolean isOver() {
    return over;
  }

  final boolean isWelcomed() {
    return welcomed;
  }

  /** Throws what the conversation has failed of, if it has. */
  final void throwFailure() {
    if (failure != null) {
      BrokerException thrown = new BrokerException(failure.code(), failure.getMessage());
      thrown.initCause(failure);
      throw thrown;
    }
  }

  final void fail(BrokerException error) {
    if (!over) {
      failure = error;
      over = true;
      ended();
    }
  }

  // ---- for those who talk ----

  final void send(String kind, Map<String, ?> fields) {
    send(Codec.encode(kind, fields));
  }

  final void send(byte[] message) {
    outbox.add(message);
  }

  /** Says hello; until it is answered, no other hello is needed. */
  final void sayHello(long now) {
    welcomed = false;
    helloSaid = now;
    hello(now);
  }

  final void ping(long now) {
    pinged = now;
    pingBroker(now);
  }

  final void welcomed(Message.Welcome welcome) {
    if (welcome.version() != 1) {
      throw new BrokerException(
          "version",
          "the broker speaks version %d of the protocol: 1 is expected"
              .formatted(welcome.version()));
    }
    welcomed = wasWelcomed = true;
  }

  final void bye(String reason) {
    if (!over) {
      send("bye", Map.of("reason", reason));
      over = true;
      ended();
    }
  }

  final boolean wasWelcomed() {
    return wasWelcomed;
  }

  /** The task of blocks that come. */
  abstract String task();

  abstract void handle(Message message, long now);

  /** Sends a hello. */
  abstract void hello(long now);

  /** Sends a ping. */
  abstract void pingBroker(long now);

  /** After how long a hello that is not answered is said again. */
  abstract long helloEvery();

  /** After how long a silent broker is given up. */
  abstract long patience();

  /** Says nothing of its own accord now. */
  boolean isStill() {
    return false;
  }

  /** Does what is due. */
  void look(long now) {}

  /** When look is to be called again. */
  long nextLook(long now) {
    return Long.MAX_VALUE;
  }

  /** It is over. */
  void ended() {}
}
