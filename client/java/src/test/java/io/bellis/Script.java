package io.bellis;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.msgpack.core.MessagePack;

/** Plays the broker for a {@link WorkerSession}, message by message, with a clock of its own. */
final class Script {
  final WorkerOptions options = WorkerOptions.of(Access.insecure("tcp://127.0.0.1:1", ""));
  final List<String> notes = new ArrayList<>();
  final Thread user = new Thread();
  WorkerSession session;
  long now = 1_000_000_000_000L;
  private long sessions = 100;

  Script() {
    options.heartbeatMs(0).prefetch(0);
  }

  /** Starts a worker, which is welcomed with these fields more. */
  Script welcomed(Object... more) {
    start();
    expectHello("greeting", 1, "session", 101);
    welcome(more);
    return this;
  }

  void start() {
    WorkNote note =
        new WorkNote() {
          @Override
          public void set(long worker, long lease) {
            notes.add(worker + ":" + lease);
          }

          @Override
          public void erase() {
            notes.add("erased");
          }
        };
    Identity me = new Identity("node", 42, "boot:pid");
    session = new WorkerSession(options, me, () -> ++sessions, number -> note, now);
  }

  void welcome(Object... more) {
    Map<String, Object> fields = map("version", 1, "job", "j-1", "task", "t", "worker", 7);
    fields.putAll(map(more));
    send("welcome", fields);
  }

  void work(long... leases) {
    List<Object> blocks = new ArrayList<>();
    Roi roi = new Roi(List.of(0L), List.of(4L));
    for (long lease : leases) {
      blocks.add(
          map("lease", lease, "index", lease + 100, "id", lease + 200, "read", roi, "write", roi));
    }
    send("work", Map.of("blocks", blocks));
  }

  void error(String code) {
    send("error", Map.of("code", code, "message", "no"));
  }

  void send(String kind, Map<String, ?> fields) {
    session.receive(Codec.encode(kind, fields), now);
  }

  /** The user's thread waits for a block, and gets this one; 0: none yet. */
  Block acquire(long lease) {
    session.demand().await();
    return next(lease);
  }

  Block next(long lease) {
    Block block = session.next(user, now);
    assertEquals(lease, block == null ? 0 : block.lease());
    return block;
  }

  void complete(Block block) {
    session.finish(Result.completed(block), now, false);
  }

  void pass(double seconds) {
    now += (long) (seconds * 1e9);
    session.tick(now);
  }

  /** The next message, as JSON. */
  void expect(String json) {
    byte[] message = session.nextMessage();
    assertTrue(message != null, "nothing was said; expected " + json);
    assertEquals(json, json(message));
  }

  /** The next message is a hello that has these fields. */
  void expectHello(Object... fields) {
    byte[] message = session.nextMessage();
    assertTrue(message != null, "nothing was said; expected a hello");
    String hello = json(message);
    assertTrue(hello.startsWith("[\"hello\","), hello);
    map(fields)
        .forEach(
            (key, value) -> {
              String field = "\"%s\":%s".formatted(key, value);
              assertTrue(hello.contains(field + ",") || hello.contains(field + "}"), field + hello);
            });
  }

  void expectSilence() {
    byte[] message = session.nextMessage();
    assertNull(message, () -> json(message));
  }

  static String json(byte[] message) {
    try {
      return MessagePack.newDefaultUnpacker(message).unpackValue().toJson();
    } catch (IOException error) {
      throw new IllegalStateException(error);
    }
  }

  static Map<String, Object> map(Object... pairs) {
    Map<String, Object> map = new LinkedHashMap<>();
    for (int i = 0; i < pairs.length; i += 2) {
      map.put((String) pairs[i], pairs[i + 1]);
    }
    return map;
  }
}
