package io.bellis;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Goes through all of {@link Control} with a real broker, which has a state directory. */
public final class ControlProbe {
  private static final Roi BLOCK = new Roi(List.of(0L), List.of(10L));

  private ControlProbe() {}

  /** A program for a test: ends with an exception if anything is not as it is to be. */
  public static void main(String[] arguments) throws Exception {
    try (Control control = Control.fromEnvironment()) {
      check(control.broker().startsWith("bellis "), control.broker());
      refusals(control);
      steered(control);
      failed(control);
    }
    System.out.println("ok");
  }

  private static Map<String, Object> job(String name, Object... more) {
    Map<String, Object> task =
        Script.map(
            "task_id",
            "t",
            "total_roi",
            new Roi(List.of(0L), List.of(50L)),
            "read_roi",
            BLOCK,
            "write_roi",
            BLOCK,
            "read_write_conflict",
            false,
            "external_workers",
            true);
    task.putAll(Script.map(more));
    return Script.map("name", name, "tasks", List.of(task));
  }

  private static void refusals(Control control) throws InterruptedException {
    check(code(() -> control.status("nobody")).equals("unknown_job"), "status of no job");
    check(code(() -> control.submit(Map.of("name", 7))).equals("invalid_spec"), "a number as name");
    check(code(() -> control.workerGone(99)).equals("unknown_worker"), "no such worker");
    check(code(() -> control.watch("nobody", 100).next()).equals("unknown_job"), "watch of no job");
    Map<String, Object> large = Script.map("name", "x".repeat(2 << 20));
    check(code(() -> control.submit(large)).equals("too_large"), "2 MiB");
    try {
      control.submit(Script.map("name", "x", "tasks", List.of(Script.map("mask", null))));
      check(false, "a null was sent");
    } catch (IllegalArgumentException error) {
      check(error.getMessage().startsWith("submit.job.tasks[0].mask is or has null"), "" + error);
    }
  }

  private static void steered(Control control) throws Exception {
    Submitted submitted = control.submit(job("steered"));
    check(!submitted.resumed() && submitted.job().startsWith("steered"), "" + submitted);
    control.pause("steered", "");
    check(control.status("steered").tasks().get(0).paused(), "it is paused");
    Explanation why = control.explainBlock("steered", "t", 0);
    check(!why.summary().isEmpty(), "" + why);
    check(control.jobs().size() == 1, "one job");
    String error = code(() -> control.setWorkers("steered", "t", 3, 1));
    check(error.equals("invalid_spec"), "no such group: " + error);
    List<JobStatus> events = new ArrayList<>();
    try (Watch watch = control.watch("steered", 20)) {
      events.add(watch.next());
      control.resume("steered", "");
      WorkerOptions options = WorkerOptions.fromEnvironment().workFor(submitted.job(), "t");
      try (Worker worker = new Worker(options)) {
        check(worker.work(block -> {}) == 5, "five blocks");
      }
      while (!watch.hasEnded()) {
        events.add(watch.next());
      }
    }
    JobStatus end = events.get(events.size() - 1);
    check(events.get(0).isRunning() && end.state().equals("completed"), "" + events);
    check(end.tasks().get(0).completed() == 5, "" + end);
    check(end.tasks().get(0).languages().get(0).language().equals("java"), "" + end);
    check(end.user().equals(System.getProperty("user.name")), "" + end);
    Submitted again = control.submit(job("steered"));
    check(again.resumed() && again.done() == 5, "" + again);
  }

  private static void failed(Control control) throws Exception {
    String job = control.submit(job("failed", "max_retries", 0)).job();
    WorkerOptions options = WorkerOptions.fromEnvironment().workFor(job, "t");
    try (Worker worker = new Worker(options)) {
      worker.work(
          block -> {
            if (block.index() == 2) {
              throw new IllegalStateException("too dark");
            }
          });
    }
    JobStatus status = control.await("failed");
    check(status.state().equals("failed"), "" + status);
    TaskStatus.Failure failure = status.tasks().get(0).failures().get(0);
    check(failure.index() == 2 && failure.error().contains("too dark"), "" + failure);
    check(control.retryFailed("failed") == 1, "one block is open again");
    control.cancel("failed", "enough");
    check(control.await("failed").state().equals("cancelled"), "it is cancelled");
  }

  /** What may be refused. */
  private interface Request {
    void send() throws InterruptedException;
  }

  private static String code(Request request) throws InterruptedException {
    try {
      request.send();
    } catch (BrokerException error) {
      return error.code();
    }
    return "nothing was refused";
  }

  private static void check(boolean holds, String what) {
    if (!holds) {
      throw new AssertionError(what);
    }
  }
}
