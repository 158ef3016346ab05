package io.bellis;

import java.util.List;
import java.util.Map;
import org.zeromq.SocketType;
import org.zeromq.ZContext;
import org.zeromq.ZMQ;

/** The broker's socket, at a free port, for a test that plays the broker itself. */
final class FakeBroker implements AutoCloseable {
  /** A test that hangs ends after this time; no result depends on it. */
  private static final int HANG_MS = 20_000;

  private final ZContext context = new ZContext();
  private final ZMQ.Socket router = context.createSocket(SocketType.ROUTER);
  private final Access access;
  private byte[] peer;

  FakeBroker() {
    this("tcp://127.0.0.1:*");
  }

  FakeBroker(String endpoint) {
    router.setReceiveTimeOut(HANG_MS);
    router.setLinger(1000);
    router.bind(endpoint);
    access = Access.insecure(router.getLastEndpoint(), "secret");
  }

  Access access() {
    return access;
  }

  /** The next message, as JSON. */
  String receive() {
    peer = router.recv();
    if (peer == null || !router.hasReceiveMore()) {
      throw new AssertionError("expected a message, and none came");
    }
    byte[] message = router.recv();
    if (router.hasReceiveMore()) {
      throw new AssertionError("a message is one frame");
    }
    return Script.json(message);
  }

  /** The next message that is of this kind; others are passed over. */
  String receive(String kind) {
    String message = receive();
    while (!message.startsWith("[\"%s\",".formatted(kind))) {
      message = receive();
    }
    return message;
  }

  void send(String kind, Map<String, ?> fields) {
    router.sendMore(peer);
    router.send(Codec.encode(kind, fields));
  }

  /** Answers a hello, and returns it. */
  String welcome(Object... more) {
    String hello = receive("hello");
    answerHello(more);
    return hello;
  }

  void answerHello(Object... more) {
    Map<String, Object> fields =
        Script.map("version", 1, "broker", "fake", "job", "j-1", "task", "t", "worker", 7);
    fields.putAll(Script.map(more));
    send("welcome", fields);
  }

  void work(long lease) {
    Roi roi = new Roi(List.of(0L), List.of(4L));
    Map<String, Object> block =
        Script.map("lease", lease, "index", lease, "id", lease, "read", roi, "write", roi);
    send("work", Map.of("blocks", List.of(block)));
  }

  @Override
  public void close() {
    context.close();
  }
}
