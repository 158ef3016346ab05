package io.bellis;

import java.util.List;

/**
 * How far a job is.
 *
 * @param job its id
 * @param name its name
 * @param state {@code running}, {@code completed} (every block), {@code failed} or {@code
 *     cancelled}
 * @param reason why it ended, unless it completed
 * @param elapsedS seconds since it was submitted; stands still at the end
 * @param user who submitted it; empty if not known
 * @param host where; empty if not known
 * @param submittedAt seconds since 1970, by the broker's clock; 0 if not known
 * @param tasks in the order of the pipeline
 */
public record JobStatus(
    String job,
    String name,
    String state,
    String reason,
    double elapsedS,
    String user,
    String host,
    long submittedAt,
    List<TaskStatus> tasks) {
  /**
   * Whether the job goes on.
   *
   * @return false once it has ended
   */
  public boolean isRunning() {
    return state.equals("running");
  }

  static JobStatus read(Fields f) {
    return new JobStatus(
        f.text("job"),
        f.text("name", ""),
        f.text("state", "running"),
        f.text("reason", ""),
        f.real("elapsed_s", 0),
        f.text("user", ""),
        f.text("host", ""),
        f.uint("submitted_at", 0),
        f.maps("tasks").stream().map(TaskStatus::read).toList());
  }
}
