package io.bellis;

import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.function.Consumer;

/**
 * How a worker connects, and to which broker. {@link #fromEnvironment} sets what a launcher gives.
 * Each setter returns this object. A worker copies nothing: change nothing once it has started.
 */
public final class WorkerOptions {
  /** Held and wanted together. */
  static final int BLOCKS_MAX = 1024;

  static final int ADAPTIVE = -1;

  final Access access;
  long worker;
  String job = "";
  String task = "";
  Duty duty = Duty.WORK;
  long heartbeatMs = 4000;
  int prefetch = Demand.UNSAID;
  long connectTimeoutMs = 10_000;
  long lostTimeoutMs = 300_000;
  String workPage = "";
  Consumer<List<Long>> onCommitted = leases -> {};

  private WorkerOptions(Access access) {
    this.access = Objects.requireNonNull(access, "access");
  }

  /**
   * For a worker that no launcher started, of the only task of the only running job.
   *
   * @param access where the broker is
   * @return options with default values
   */
  public static WorkerOptions of(Access access) {
    return new WorkerOptions(access);
  }

  /**
   * Reads the variables of {@link Access#fromEnvironment}, and BELLIS_JOB, BELLIS_TASK,
   * BELLIS_WORKER_ID, BELLIS_WORK_PAGE, BELLIS_DUTY, BELLIS_HEARTBEAT_MS, BELLIS_PREFETCH,
   * BELLIS_CONNECT_TIMEOUT and BELLIS_LOST_TIMEOUT, which a launcher or a user sets.
   *
   * @return options as the environment says
   * @throws IllegalArgumentException for a variable that is missing or wrong
   */
  public static WorkerOptions fromEnvironment() {
    return from(new Environment(System.getenv()));
  }

  static WorkerOptions from(Environment environment) {
    WorkerOptions options = new WorkerOptions(Access.from(environment));
    options.worker = environment.number("BELLIS_WORKER_ID", 0, Long.MAX_VALUE);
    options.job = environment.text("BELLIS_JOB");
    options.task = environment.text("BELLIS_TASK");
    options.workPage = environment.text("BELLIS_WORK_PAGE");
    String duty = environment.text("BELLIS_DUTY", "work");
    options.duty =
        Arrays.stream(Duty.values())
            .filter(value -> value.word().equals(duty))
            .findFirst()
            .orElseThrow(() -> environment.wrong("BELLIS_DUTY", "work, check or post_check"));
    options.heartbeatMs = environment.number("BELLIS_HEARTBEAT_MS", 4000, Fields.UINT32_MAX);
    if (environment.text("BELLIS_PREFETCH").equals("auto")) {
      options.prefetch = ADAPTIVE;
    } else {
      options.prefetch = (int) environment.number("BELLIS_PREFETCH", Demand.UNSAID, BLOCKS_MAX - 1);
    }
    options.connectTimeoutMs = environment.secondsAsMs("BELLIS_CONNECT_TIMEOUT", 10_000);
    options.lostTimeoutMs = environment.secondsAsMs("BELLIS_LOST_TIMEOUT", 300_000);
    return options;
  }

  /**
   * Whom it works for.
   *
   * @param jobId the id of a job; empty: the only running one
   * @param taskId a task of it; empty: the only one
   * @return this
   */
  public WorkerOptions workFor(String jobId, String taskId) {
    job = Objects.requireNonNull(jobId, "jobId");
    task = Objects.requireNonNull(taskId, "taskId");
    return this;
  }

  /**
   * What it does with blocks.
   *
   * @param what {@link Duty#WORK} by default
   * @return this
   */
  public WorkerOptions duty(Duty what) {
    duty = Objects.requireNonNull(what, "what");
    return this;
  }

  /**
   * How often heartbeats are sent. If the broker gets none for some time, the worker's leases end,
   * and just before that this process ends itself if it works on a block.
   *
   * @param milliseconds 4,000 by default; 0: none
   * @return this
   */
  public WorkerOptions heartbeatMs(long milliseconds) {
    heartbeatMs = checked("heartbeatMs", milliseconds, 0, Fields.UINT32_MAX);
    return this;
  }

  /**
   * How many blocks to hold in advance, beside the one worked on. By default as many as the task
   * says, or else as many as take about a millisecond, so that blocks of microseconds do not wait
   * for the broker; they go back when one takes longer.
   *
   * @param blocks 0 to 1,023
   * @return this
   */
  public WorkerOptions prefetch(int blocks) {
    prefetch = (int) checked("prefetch", blocks, 0, BLOCKS_MAX - 1);
    return this;
  }

  /**
   * How long to wait for a broker at first.
   *
   * @param milliseconds 10,000 by default
   * @return this
   */
  public WorkerOptions connectTimeoutMs(long milliseconds) {
    connectTimeoutMs = checked("connectTimeoutMs", milliseconds, 1, 86_400_000);
    return this;
  }

  /**
   * How long to wait for a broker that has been there.
   *
   * @param milliseconds 300,000 by default
   * @return this
   */
  public WorkerOptions lostTimeoutMs(long milliseconds) {
    lostTimeoutMs = checked("lostTimeoutMs", milliseconds, 1, 86_400_000);
    return this;
  }

  /**
   * Is told of leases whose results are on the broker's disk, if the broker has one. Called by
   * {@link Worker#acquire}, in its thread.
   *
   * @param told takes the leases
   * @return this
   */
  public WorkerOptions onCommitted(Consumer<List<Long>> told) {
    onCommitted = Objects.requireNonNull(told, "told");
    return this;
  }

  private static long checked(String name, long value, long min, long max) {
    if (value < min || value > max) {
      throw new IllegalArgumentException(
          "%s is %d: expected %d to %d".formatted(name, value, min, max));
    }
    return value;
  }
}
