package io.bellis;

import java.util.List;
import java.util.OptionalLong;

/** What a broker says to workers and clients (MESSAGES.md), read strictly. */
sealed interface Message {
  /** Answers a hello. */
  record Welcome(
      long version,
      String broker,
      String job,
      String task,
      long worker,
      String duty,
      long slot,
      long leaseMs,
      long heartbeatMs,
      boolean durable,
      OptionalLong prefetch,
      List<Long> held)
      implements Message {}

  /** Hands out blocks. */
  record Work(List<Block> blocks) implements Message {}

  /** Hand back what is not started, but for so many blocks. */
  record Recall(long keep) implements Message {}

  /** Results that need not be kept any more. */
  record Committed(List<Long> leases, List<Long> dropped) implements Message {}

  /** Answers a ping. */
  record Pong(long nonce) implements Message {}

  /** Finish what you hold, and go. */
  record Drain(String reason) implements Message {}

  /** Go; what you hold is not yours any more. */
  record Leave(String reason) implements Message {}

  /** Something was refused. */
  record Refused(String code, String message, long req) implements Message {
    BrokerException exception() {
      return new BrokerException(code, message);
    }
  }

  /** The answer to request {@code req}; {@code value} is of the type that the request wants. */
  record Answer(long req, Object value) implements Message {}

  /** How a watched job goes on. */
  record Progress(long req, JobStatus status, long dropped) implements Message {}

  /** A watched job has ended. */
  record Ended(long req, JobStatus status) implements Message {}

  /** A kind that nobody told us about, which is ignored. */
  record Unknown(String kind) implements Message {}

  /**
   * Reads a message.
   *
   * @param task the task that blocks belong to
   * @throws BrokerException {@code bad_message}
   */
  static Message decode(byte[] data, String task) {
    Codec.Received received = Codec.decode(data);
    Fields f = received.fields();
    return switch (received.kind()) {
      case "welcome" -> welcome(f);
      case "work" -> work(f, task);
      case "recall" -> new Recall(f.uint32("keep", 1));
      case "committed" -> new Committed(f.uints("leases"), f.uints("dropped"));
      case "pong" -> new Pong(f.uint("nonce", 0));
      case "drain" -> new Drain(f.text("reason", ""));
      case "leave" -> new Leave(f.text("reason", ""));
      case "error" ->
          new Refused(
              f.text("code", BrokerException.BAD_MESSAGE), f.text("message", ""), f.uint("req", 0));
      default -> forClient(received.kind(), f);
    };
  }

  private static Message forClient(String kind, Fields f) {
    return switch (kind) {
      case "submitted" ->
          new Answer(
              f.uint("req", 0),
              new Submitted(
                  f.text("job"), f.bool("resumed"), f.uint("done", 0), f.text("run", "")));
      case "jobs" ->
          new Answer(f.uint("req", 0), f.maps("jobs").stream().map(JobStatus::read).toList());
      case "cancelled" -> new Answer(f.uint("req", 0), f.text("job"));
      case "retried" -> {
        f.text("job");
        yield new Answer(f.uint("req", 0), f.uint("blocks", 0));
      }
      case "ok" -> new Answer(f.uint("req", 0), "");
      case "explained" -> new Answer(f.uint("req", 0), Explanation.read(f));
      case "progress" ->
          new Progress(f.uint("req", 0), JobStatus.read(f.map("status")), f.uint("dropped", 0));
      case "ended" -> new Ended(f.uint("req", 0), JobStatus.read(f.map("status")));
      default -> new Unknown(kind);
    };
  }

  private static Welcome welcome(Fields f) {
    return new Welcome(
        f.uint("version", 1),
        f.text("broker", ""),
        f.text("job", ""),
        f.text("task", ""),
        f.uint("worker", 0),
        f.text("duty", "work"),
        f.uint32("slot", 0),
        f.uint32("lease_ms", 0),
        f.uint32("heartbeat_ms", 0),
        f.bool("durable"),
        f.has("prefetch") ? OptionalLong.of(f.uint32("prefetch", 0)) : OptionalLong.empty(),
        f.uints("held"));
  }

  private static Work work(Fields f, String task) {
    f.required("blocks");
    return new Work(
        f.maps("blocks").stream()
            .map(
                block ->
                    new Block(
                        task,
                        block.integer("id"),
                        block.uint("index"),
                        block.uint32("attempt", 1),
                        block.uint("lease"),
                        block.roi("read"),
                        block.roi("write")))
            .toList());
  }
}
