package io.bellis;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The fields of a hello. */
final class Hello {
  private Hello() {}

  /** Of a worker of level 2, which says all that it has from before. */
  static Map<String, Object> worker(
      WorkerOptions options,
      Identity me,
      long number,
      String job,
      String task,
      long session,
      long greeting,
      List<Block> held) {
    Map<String, Object> hello = common("worker", options.access);
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
    hello.put("greeting", greeting);
    hello.put("heartbeat_ms", options.heartbeatMs);
    hello.put("held", held.stream().map(Hello::lease).toList());
    return hello;
  }

  private static Map<String, Object> lease(Block block) {
    Map<String, Object> lease = new LinkedHashMap<>();
    lease.put("lease", block.lease());
    lease.put("index", block.index());
    lease.put("attempt", block.attempt());
    return lease;
  }

  static Map<String, Object> client(Access access) {
    return common("client", access);
  }

  private static Map<String, Object> common(String role, Access access) {
    Map<String, Object> hello = new LinkedHashMap<>();
    hello.put("version", 1);
    hello.put("role", role);
    if (!access.token().isEmpty()) {
      hello.put("token", access.token());
    }
    return hello;
  }
}
