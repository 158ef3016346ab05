package io.bellis;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.Pipe;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.atomic.AtomicBoolean;
import org.zeromq.SocketType;
import org.zeromq.ZContext;
import org.zeromq.ZMQ;
import org.zeromq.ZMQException;

/**
 * A DEALER socket to a broker. One thread uses it; any thread may wake that. JeroMQ connects a
 * broken connection again by itself, and does not say so.
 *
 * <p>About one connection in a hundred stays mute. When JeroMQ 0.6.0 finds in one look that a
 * connection stands, and that something is to be sent, its poller replaces the registration of the
 * channel by another one, before the former has gone: then there is none. It registers what is
 * missing whenever anything changes, so while no answer comes something is changed ({@link
 * #nudge}).
 */
final class Wire implements AutoCloseable {
  private static final System.Logger LOG = System.getLogger("io.bellis");

  /** What a broker may send at most. */
  private static final long RECEIVED_BYTES_MAX = 16 << 20;

  private static final int LINGER_MS = 1000;
  private static final long NEVER = Long.MAX_VALUE;

  /** No answer comes for so long: the connection may be mute. Twice as long each next time. */
  private static final long NUDGE_AFTER_MS = 100;

  private static final long NUDGE_AFTER_MAX_MS = 10_000;

  private final Access access;
  private final ZContext context = new ZContext();
  private final Pipe pipe;
  private final ByteBuffer drained = ByteBuffer.allocate(64);
  private final AtomicBoolean isAwake = new AtomicBoolean();
  private final ZMQ.Poller poller = context.createPoller(2);
  private ZMQ.Socket socket;
  private int socketIndex;
  private long nudgeAfter;
  private long nudgeAt = NEVER;

  Wire(Access access) {
    this.access = access;
    // Sockets that are closed at the same time as their context make noise, and no harm.
    context.setNotificationExceptionHandler(
        (thread, error) -> LOG.log(System.Logger.Level.DEBUG, "JeroMQ", error));
    try {
      pipe = Pipe.open();
      pipe.source().configureBlocking(false);
      pipe.sink().configureBlocking(false);
    } catch (IOException error) {
      context.close();
      throw new IllegalStateException("no pipe can be had: " + error, error);
    }
    poller.register(pipe.source(), ZMQ.Poller.POLLIN);
    open();
  }

  /** Opens another socket, in place of the former one, whose messages are dropped. */
  void reopen() {
    poller.unregister(socket);
    socket.setLinger(0);
    socket.close();
    open();
  }

  private void open() {
    socket = context.createSocket(SocketType.DEALER);
    socket.setLinger(LINGER_MS);
    socket.setMaxMsgSize(RECEIVED_BYTES_MAX);
    socket.setIPv6(access.endpoint().contains("["));
    if (access.isEncrypted()) {
      socket.setCurveServerKey(access.serverKey().getBytes(StandardCharsets.US_ASCII));
      socket.setCurvePublicKey(access.publicKey().getBytes(StandardCharsets.US_ASCII));
      socket.setCurveSecretKey(access.secretKey().getBytes(StandardCharsets.US_ASCII));
    }
    socket.connect(access.endpoint());
    socketIndex = poller.register(socket, ZMQ.Poller.POLLIN);
  }

  /** False: too much waits to be sent already. */
  boolean send(byte[] message) {
    if (nudgeAt == NEVER) {
      nudgeAfter = NUDGE_AFTER_MS;
      nudgeAt = nowMs() + nudgeAfter;
    }
    return socket.send(message, ZMQ.DONTWAIT);
  }

  /** Waits for a message, at most so long, or until it is woken. */
  void await(long timeoutMs) {
    long now = nowMs();
    poller.poll(nudgeAt == NEVER ? timeoutMs : Math.max(0, Math.min(timeoutMs, nudgeAt - now)));
    if (nowMs() >= nudgeAt && !poller.pollin(socketIndex)) {
      nudge();
    }
    try {
      drained.clear();
      if (pipe.source().read(drained) > 0) {
        isAwake.set(false);
      } else if (!poller.pollin(socketIndex)) {
        // JeroMQ's thread has written that it has something, but not yet what: it must run first.
        Thread.yield();
      }
    } catch (IOException error) {
      throw new IllegalStateException("a pipe can be read: " + error, error);
    }
  }

  /** A message that has come; null: none. */
  byte[] receive() {
    byte[] message = socket.recv(ZMQ.DONTWAIT);
    if (message != null) {
      nudgeAt = NEVER;
    }
    boolean isWhole = true;
    while (message != null && socket.hasReceiveMore()) {
      socket.recv(ZMQ.DONTWAIT);
      isWhole = false;
    }
    return isWhole ? message : receive(); // A message is one frame.
  }

  /** Has JeroMQ's thread look at all its registrations: a socket comes, and goes. */
  private void nudge() {
    nudgeAfter *= 2;
    nudgeAt = nudgeAfter > NUDGE_AFTER_MAX_MS ? NEVER : nowMs() + nudgeAfter;
    try (ZMQ.Socket another = context.createSocket(SocketType.PULL)) {
      another.bind("tcp://127.0.0.1:*");
    } catch (ZMQException none) {
      // The next nudge may have one.
    }
  }

  private static long nowMs() {
    return System.nanoTime() / BootClock.MS;
  }

  /** From any thread. */
  void wake() {
    if (isAwake.compareAndSet(false, true)) {
      try {
        pipe.sink().write(ByteBuffer.allocate(1));
      } catch (IOException closed) {
        // Nobody is there to be woken.
      }
    }
  }

  /** Sends what waits, for a second at most. */
  @Override
  public void close() {
    poller.close();
    context.close();
    try {
      pipe.sink().close();
      pipe.source().close();
    } catch (IOException error) {
      // It was to be closed.
    }
  }
}
