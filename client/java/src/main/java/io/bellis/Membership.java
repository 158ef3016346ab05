package io.bellis;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.LongSupplier;

/** Who a worker is to its broker: as its launcher said, and then as the last welcome said. */
final class Membership {
  private final WorkerOptions options;
  private final Identity me;
  private final LongSupplier newSession;
  private long number;
  private String job;
  private String task;
  private long slot;
  private long session;
  private long greeting;
  private boolean isRenewed;

  Membership(WorkerOptions options, Identity me, LongSupplier newSession) {
    this.options = options;
    this.me = me;
    this.newSession = newSession;
    number = options.worker;
    job = options.job;
    task = options.task;
    session = newSession.getAsLong();
  }

  long number() {
    return number;
  }

  String job() {
    return job;
  }

  String task() {
    return task;
  }

  long slot() {
    return slot;
  }

  /** The number is still that of the options: a worker that starts anew would have no other. */
  boolean hasGivenNumber() {
    return number == options.worker;
  }

  /** The last hello was the first one of a worker that was given up before. */
  boolean isJustRenewed() {
    return isRenewed && greeting == 1;
  }

  void welcome(Message.Welcome welcome) {
    number = welcome.worker();
    job = welcome.job();
    task = welcome.task();
    slot = welcome.slot();
  }

  /** From now on it is a new worker. */
  void renew() {
    number = options.worker;
    session = newSession.getAsLong();
    greeting = 0;
    isRenewed = true;
  }

  /** The fields of the next hello, which lists the leases of these blocks. */
  Map<String, Object> hello(List<Block> held) {
    Map<String, Object> hello = Hello.of("worker", options.access);
    hello.put("job", job);
    hello.put("task", task);
    hello.put("worker", number);
    hello.put("duty", options.duty.word());
    hello.put("language", "java");
    hello.put("host", me.host());
    hello.put("pid", me.pid());
    if (!me.machine().isEmpty()) {
      hello.put("machine", me.machine());
    }
    hello.put("session", session);
    hello.put("greeting", ++greeting);
    hello.put("heartbeat_ms", options.heartbeatMs);
    hello.put("held", held.stream().map(Membership::lease).toList());
    return hello;
  }

  private static Map<String, Object> lease(Block block) {
    Map<String, Object> lease = new LinkedHashMap<>();
    lease.put("lease", block.lease());
    lease.put("index", block.index());
    lease.put("attempt", block.attempt());
    return lease;
  }
}
