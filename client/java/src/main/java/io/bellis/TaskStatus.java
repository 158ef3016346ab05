package io.bellis;

import java.util.List;

/**
 * How far a task is. The counts are of blocks, and {@code blocks} is the sum of {@code masked},
 * {@code pending}, {@code ready}, {@code leased}, {@code completed}, {@code failed} and {@code
 * orphaned}.
 *
 * @param task its id
 * @param blocks all
 * @param masked left out, where the mask is false
 * @param pending that wait for others
 * @param ready that a worker could have now
 * @param leased that workers have
 * @param completed done, with the skipped ones
 * @param skipped of those completed: that a check found done
 * @param failed for good
 * @param orphaned that will never run, since what they need has failed
 * @param levels conflict levels
 * @param workersStarting workers that were started and have not connected
 * @param workersLive workers that are connected
 * @param workerRestarts how many workers were to be replaced
 * @param blockMsMean milliseconds that a block takes, in the mean
 * @param languages completed blocks by the workers' language
 * @param failures the first 100 failed attempts
 * @param failuresTotal all failed attempts
 * @param error why the task was given up; empty if it was not
 * @param logDir where its workers' logs are
 * @param paused no block of it is handed out
 * @param notices what its user should hear of while it runs
 */
public record TaskStatus(
    String task,
    long blocks,
    long masked,
    long pending,
    long ready,
    long leased,
    long completed,
    long skipped,
    long failed,
    long orphaned,
    long levels,
    long workersStarting,
    long workersLive,
    long workerRestarts,
    double blockMsMean,
    List<Language> languages,
    List<Failure> failures,
    long failuresTotal,
    String error,
    String logDir,
    boolean paused,
    List<String> notices) {
  /**
   * The blocks that workers of one language have completed.
   *
   * @param language as their hello said
   * @param blocks how many
   * @param blockMsMean milliseconds that one takes, in the mean
   */
  public record Language(String language, long blocks, double blockMsMean) {
    static Language read(Fields f) {
      return new Language(f.text("language"), f.uint("blocks", 0), f.real("block_ms_mean", 0));
    }
  }

  /**
   * A failed attempt.
   *
   * @param block the block's id
   * @param index its row-major rank
   * @param attempt from 1
   * @param worker the worker's number
   * @param error why
   */
  public record Failure(long block, long index, long attempt, long worker, String error) {
    static Failure read(Fields f) {
      return new Failure(
          f.integer("block"),
          f.uint("index", 0),
          f.uint32("attempt", 0),
          f.uint("worker", 0),
          f.text("error", ""));
    }
  }

  static TaskStatus read(Fields f) {
    return new TaskStatus(
        f.text("task"),
        f.uint("blocks", 0),
        f.uint("masked", 0),
        f.uint("pending", 0),
        f.uint("ready", 0),
        f.uint("leased", 0),
        f.uint("completed", 0),
        f.uint("skipped", 0),
        f.uint("failed", 0),
        f.uint("orphaned", 0),
        f.uint("levels", 0),
        f.uint("workers_starting", 0),
        f.uint("workers_live", 0),
        f.uint("worker_restarts", 0),
        f.real("block_ms_mean", 0),
        f.maps("languages").stream().map(Language::read).toList(),
        f.maps("failures").stream().map(Failure::read).toList(),
        f.uint("failures_total", 0),
        f.text("error", ""),
        f.text("log_dir", ""),
        f.bool("paused"),
        f.texts("notices"));
  }
}
