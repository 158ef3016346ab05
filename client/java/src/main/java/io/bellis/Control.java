package io.bellis;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A client of a broker: it submits, watches and steers jobs.
 *
 * <p>A job is named by its id or its name. Every method throws {@link BrokerException}, with the
 * broker's code and sentence if it refuses, and with {@code no_broker} if it does not answer in
 * time: then the request may have been carried out, or not. Any thread may call any method.
 */
public final class Control implements AutoCloseable {
  private static final long CONNECT_TIMEOUT_MS = 10_000;
  private static final long ANSWER_TIMEOUT_MS = 30_000;

  private final Access access;
  private final ClientLine line;

  /**
   * Connects.
   *
   * @param access where the broker is
   * @throws BrokerException {@code no_broker} if none answers within 10 s
   * @throws InterruptedException if this thread is interrupted
   */
  public Control(Access access) throws InterruptedException {
    this.access = access;
    line = new ClientLine(access, CONNECT_TIMEOUT_MS);
  }

  /**
   * Connects as {@link Access#fromEnvironment} says.
   *
   * @return a client
   * @throws IllegalArgumentException for a variable that is missing or wrong
   * @throws BrokerException {@code no_broker} if none answers within 10 s
   * @throws InterruptedException if this thread is interrupted
   */
  public static Control fromEnvironment() throws InterruptedException {
    return new Control(Access.fromEnvironment());
  }

  /**
   * The broker's program and version.
   *
   * @return as its welcome says
   */
  public String broker() {
    return line.broker();
  }

  /**
   * Submits a job. A broker with a state directory goes on with a job of the same name.
   *
   * @param job the keys of a pipeline file: maps of texts, numbers, booleans, lists and {@link Roi}
   * @return the job's id, and whether it goes on
   * @throws IllegalArgumentException for a value that cannot be sent, named by its path
   * @throws InterruptedException if this thread is interrupted
   */
  public Submitted submit(Map<String, ?> job) throws InterruptedException {
    return submit(job, false, false);
  }

  /**
   * Submits a job.
   *
   * @param job as above
   * @param fresh forget what is stored of a job of this name
   * @param samePrograms go on with a stored job only if its programs are the same
   * @return the job's id, and whether it goes on
   * @throws IllegalArgumentException for a value that cannot be sent, named by its path
   * @throws InterruptedException if this thread is interrupted
   */
  public Submitted submit(Map<String, ?> job, boolean fresh, boolean samePrograms)
      throws InterruptedException {
    Map<String, Object> sent = new LinkedHashMap<>(job);
    Map<String, Object> origin = new LinkedHashMap<>();
    origin.put("user", System.getProperty("user.name", ""));
    origin.put("host", Identity.ofThisProcess().host());
    sent.putIfAbsent("origin", origin);
    Map<String, Object> fields = new LinkedHashMap<>();
    fields.put("fresh", fresh);
    fields.put("same_programs", samePrograms);
    fields.put("job", sent);
    return ask("submit", fields, Submitted.class);
  }

  /**
   * How far a job is.
   *
   * @param job its id or name
   * @return its status
   * @throws InterruptedException if this thread is interrupted
   */
  public JobStatus status(String job) throws InterruptedException {
    List<JobStatus> jobs = jobs(job);
    if (jobs.isEmpty()) {
      throw new BrokerException("unknown_job", "the broker says nothing of job '" + job + "'");
    }
    return jobs.get(0);
  }

  /**
   * How far all jobs are.
   *
   * @return the status of each job that the broker knows
   * @throws InterruptedException if this thread is interrupted
   */
  public List<JobStatus> jobs() throws InterruptedException {
    return jobs("");
  }

  /**
   * Ends a job: no block is handed out any more, and its workers are told to leave.
   *
   * @param job its id or name
   * @param reason what others are told; may be empty
   * @throws InterruptedException if this thread is interrupted
   */
  public void cancel(String job, String reason) throws InterruptedException {
    ask("cancel", Map.of("job", job, "reason", reason), String.class);
  }

  /**
   * Tries failed and orphaned blocks again, with all their attempts.
   *
   * @param job its id or name
   * @return how many blocks are open again
   * @throws InterruptedException if this thread is interrupted
   */
  public long retryFailed(String job) throws InterruptedException {
    return ask("retry_failed", Map.of("job", job), Long.class);
  }

  /**
   * Hands out no more blocks; those that are out go on.
   *
   * @param job its id or name
   * @param task empty: the whole job
   * @throws InterruptedException if this thread is interrupted
   */
  public void pause(String job, String task) throws InterruptedException {
    ask("pause", Map.of("job", job, "task", task), String.class);
  }

  /**
   * Ends a pause.
   *
   * @param job its id or name
   * @param task empty: the whole job
   * @throws InterruptedException if this thread is interrupted
   */
  public void resume(String job, String task) throws InterruptedException {
    ask("resume", Map.of("job", job, "task", task), String.class);
  }

  /**
   * Sets how many workers are started; those too many go after their block.
   *
   * @param job its id or name
   * @param task empty: the only one of the job
   * @param group its place in the task's {@code workers}, from 0
   * @param count how many
   * @throws InterruptedException if this thread is interrupted
   */
  public void setWorkers(String job, String task, int group, int count)
      throws InterruptedException {
    ask(
        "set_workers",
        Map.of("job", job, "task", task, "group", group, "count", count),
        String.class);
  }

  /**
   * States that the process of a worker has ended, as on a machine that is gone. The broker ends
   * its leases, and does not take it back. Refused with {@code worker_alive} if it is there, or if
   * its end will be known by itself.
   *
   * @param worker its number
   * @throws InterruptedException if this thread is interrupted
   */
  public void workerGone(long worker) throws InterruptedException {
    ask("worker_gone", Map.of("worker", worker), String.class);
  }

  /**
   * Why a block does not run.
   *
   * @param job its id or name
   * @param task empty: the only one of the job
   * @param block the block's id, not its index
   * @return one sentence, and what waits for what
   * @throws InterruptedException if this thread is interrupted
   */
  public Explanation explainBlock(String job, String task, long block) throws InterruptedException {
    return ask("explain", Map.of("job", job, "task", task, "block", block), Explanation.class);
  }

  /**
   * Why a worker is idle.
   *
   * @param job its id or name
   * @param worker the worker's number
   * @return one sentence, and what waits for what
   * @throws InterruptedException if this thread is interrupted
   */
  public Explanation explainWorker(String job, long worker) throws InterruptedException {
    return ask("explain", Map.of("job", job, "worker", worker), Explanation.class);
  }

  /**
   * Watches a job, over a connection of its own.
   *
   * @param job its id or name
   * @param intervalMs the least time between two events: 20 to 60,000
   * @return its events; to be closed
   * @throws InterruptedException if this thread is interrupted
   */
  public Watch watch(String job, int intervalMs) throws InterruptedException {
    return new Watch(new ClientLine(access, CONNECT_TIMEOUT_MS), job, intervalMs);
  }

  /**
   * Waits for the end of a job, without limit.
   *
   * @param job its id or name
   * @return its last status
   * @throws InterruptedException if this thread is interrupted
   */
  public JobStatus await(String job) throws InterruptedException {
    try (Watch watch = watch(job, 1000)) {
      JobStatus status = watch.next();
      while (!watch.hasEnded()) {
        status = watch.next();
      }
      return status;
    }
  }

  /** Says bye and disconnects. */
  @Override
  public void close() {
    line.close();
  }

  private List<JobStatus> jobs(String job) throws InterruptedException {
    List<?> answer = ask("status", Map.of("job", job), List.class);
    List<JobStatus> jobs = new ArrayList<>();
    answer.forEach(status -> jobs.add((JobStatus) status));
    return jobs;
  }

  private <T> T ask(String kind, Map<String, Object> fields, Class<T> type)
      throws InterruptedException {
    return line.ask(kind, fields, type, ANSWER_TIMEOUT_MS);
  }
}
