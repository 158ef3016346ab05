package io.bellis;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.security.SecureRandom;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * A worker takes blocks of one task from a broker, one after the other.
 *
 * <pre>{@code
 * try (Worker worker = Worker.fromEnvironment()) {
 *   worker.work(block -> smooth(block.read(), block.write()));
 * }
 * }</pre>
 *
 * <p>or, with a loop of its own:
 *
 * <pre>{@code
 * Optional<LeasedBlock> next;
 * while ((next = worker.acquire()).isPresent()) {
 *   try (LeasedBlock leased = next.get()) {
 *     if (!process(leased.block())) {
 *       leased.fail("no signal here");
 *     }
 *   }
 * }
 * }</pre>
 *
 * <p><b>Threads.</b> Heartbeats, and all that is sent and received, are a thread's of its own. One
 * worker has one thread that acquires; several are permitted.
 *
 * <p><b>Faults.</b> When a connection breaks, or the broker is killed and started again, the worker
 * keeps its blocks, and hands in results again that the broker may not have stored. If the broker
 * cannot be reached for as long as a lease lasts, the process is ended with code 137, together with
 * the processes that it has started, because others get its blocks then. When a block is not this
 * worker's any more (its job was cancelled, its task timed out), the thread that acquired it is
 * interrupted.
 *
 * <p><b>Signals.</b> When the JVM is ended by SIGINT or SIGTERM, the worker interrupts what it
 * works on, waits for it a second, hands its blocks back, and says bye.
 */
public final class Worker implements AutoCloseable {
  private static final System.Logger LOG = System.getLogger("io.bellis");

  /** How long the end of the JVM waits for a block that was interrupted. */
  private static final long BREAK_OFF_NS = 1_000_000_000L;

  private final WorkerOptions options;
  private final BootClock clock = new BootClock();
  private final WorkerSession session;
  private final Line line;
  private final Fence fence;
  private final Thread hook = new Thread(this::endWithJvm, "bellis-end");

  /**
   * Connects, and waits until the broker has taken this worker.
   *
   * @param options whom to work for
   * @throws BrokerException if the broker refuses it, or {@code no_broker} if none answers in time
   * @throws InterruptedException if this thread is interrupted
   */
  public Worker(WorkerOptions options) throws InterruptedException {
    this(options, Fence::killProcess);
  }

  Worker(WorkerOptions options, Runnable kill) throws InterruptedException {
    this.options = options;
    SecureRandom random = new SecureRandom();
    session =
        new WorkerSession(
            options,
            Identity.ofThisProcess(),
            () -> random.nextLong(1, Long.MAX_VALUE),
            number -> WorkPage.claim(options.workPage, number),
            clock.now());
    line = new Line(session, options.access, clock, "bellis-worker");
    fence = new Fence(session.time(), clock, kill);
    try {
      line.awaitWelcome();
      Runtime.getRuntime().addShutdownHook(hook);
    } catch (InterruptedException | RuntimeException error) {
      end();
      throw error;
    }
  }

  /**
   * A worker as the environment says, which a launcher sets.
   *
   * @return a worker that the broker has taken
   * @throws IllegalArgumentException for a variable that is missing or wrong
   * @throws BrokerException if the broker refuses it, or {@code no_broker} if none answers in time
   * @throws InterruptedException if this thread is interrupted
   */
  public static Worker fromEnvironment() throws InterruptedException {
    return new Worker(WorkerOptions.fromEnvironment());
  }

  /**
   * Waits for the next block, without limit.
   *
   * @return the block; empty: there is nothing more to do, or the worker was asked to go
   * @throws BrokerException if the broker refuses this worker, or is lost
   * @throws InterruptedException if this thread is interrupted; it has no block then
   */
  public Optional<LeasedBlock> acquire() throws InterruptedException {
    return Optional.ofNullable(next(null)).map(block -> new LeasedBlock(this, block));
  }

  /**
   * Calls {@code function} with one block after the other until there is nothing more to do. An
   * exception fails the block, and the loop goes on; an {@link Error} fails it and is thrown here.
   *
   * @param function works on a block
   * @return how many blocks it was called with
   * @throws IllegalStateException if this worker is a checker
   * @throws BrokerException if the broker refuses this worker, or is lost
   * @throws InterruptedException if this thread is interrupted while it waits
   */
  public long work(BlockFunction function) throws InterruptedException {
    if (options.duty != Duty.WORK) {
      throw new IllegalStateException(
          "BELLIS_DUTY is '%s': a checker calls check, not work".formatted(options.duty.word()));
    }
    return loop(
        block -> {
          function.work(block);
          return true;
        });
  }

  /**
   * As {@link #work}, for a checker: the answers are those of {@code check}. An exception says that
   * it could not be found out, which counts as no.
   *
   * @param check looks at a block
   * @return how many blocks it was called with
   * @throws IllegalStateException if this worker is no checker
   * @throws BrokerException if the broker refuses this worker, or is lost
   * @throws InterruptedException if this thread is interrupted while it waits
   */
  public long check(BlockCheck check) throws InterruptedException {
    if (options.duty == Duty.WORK) {
      throw new IllegalStateException("BELLIS_DUTY is 'work': a worker calls work, not check");
    }
    return loop(check);
  }

  /**
   * This worker's number.
   *
   * @return as the broker gave it
   */
  public long id() {
    synchronized (session) {
      return session.membership().number();
    }
  }

  /**
   * The job that it works for.
   *
   * @return the job's id
   */
  public String job() {
    synchronized (session) {
      return session.membership().job();
    }
  }

  /**
   * The task that it works for.
   *
   * @return the task's id
   */
  public String task() {
    synchronized (session) {
      return session.membership().task();
    }
  }

  /**
   * This worker's place among the workers of its task; one that replaces it gets the same. For what
   * each worker has one of, such as a GPU.
   *
   * @return from 0
   */
  public int slot() {
    synchronized (session) {
      return (int) session.membership().slot();
    }
  }

  /**
   * Why there are no more blocks.
   *
   * @return the broker's words; empty before
   */
  public String leaveReason() {
    synchronized (session) {
      return session.leaveReason();
    }
  }

  /**
   * Hands in what is finished, hands back what is not, says bye and disconnects. Does nothing the
   * second time.
   */
  @Override
  public void close() {
    try {
      Runtime.getRuntime().removeShutdownHook(hook);
    } catch (IllegalStateException isEnding) {
      // The hook does the same.
    }
    end();
  }

  boolean isLost(Block block) {
    synchronized (session) {
      return session.holdings().isLost(block);
    }
  }

  void finish(Result result) {
    synchronized (session) {
      session.finish(result, clock.now(), false);
      session.notifyAll();
    }
    line.wake();
  }

  private long loop(BlockCheck function) throws InterruptedException {
    long blocks = 0;
    Result result = null;
    for (Block block = next(null); block != null; block = next(result)) {
      ++blocks;
      try {
        result = function.check(block) ? Result.completed(block) : Result.failed(block, "");
      } catch (Exception error) {
        result = failed(block, error);
      } catch (Error error) {
        finish(failed(block, error));
        throw error;
      }
    }
    return blocks;
  }

  private Result failed(Block block, Throwable error) {
    if (!isLost(block)) {
      LOG.log(System.Logger.Level.ERROR, "block " + block.id() + " has failed", error);
    }
    StringWriter trace = new StringWriter();
    error.printStackTrace(new PrintWriter(trace));
    return Result.failed(block, trace.toString());
  }

  /** Hands in what is done, and waits for the next block; both in one message. Null: it is over. */
  private Block next(Result done) throws InterruptedException {
    Block block = null;
    List<Long> committed;
    synchronized (session) {
      session.demand().await();
      try {
        if (done != null) {
          session.finish(done, clock.now(), true);
        }
        for (block = session.next(Thread.currentThread(), clock.now());
            block == null && !session.hasEnded();
            block = session.next(Thread.currentThread(), clock.now())) {
          wakeLine();
          session.wait();
        }
      } finally {
        if (block == null) {
          session.demand().awaitNoMore();
        }
        wakeLine();
      }
      if (block == null) {
        session.throwFailure();
      }
      committed = session.results().takeCommitted();
    }
    if (!committed.isEmpty()) {
      options.onCommitted.accept(committed);
    }
    return block;
  }

  private void wakeLine() {
    if (session.hasMessages()) {
      line.wake();
    }
  }

  /** The JVM ends: by a signal, since the last thread is over, or by System.exit. */
  private void endWithJvm() {
    long until = System.nanoTime() + BREAK_OFF_NS;
    synchronized (session) {
      for (Map.Entry<Block, Thread> out : session.holdings().threads().entrySet()) {
        if (isExiting(out.getValue())) {
          session.finish(
              Result.failed(out.getKey(), "the process was ended while it worked on this block"),
              clock.now(),
              false);
        }
      }
      session.breakOff("the process ends", clock.now());
      line.wake();
      session.notifyAll();
      try {
        for (long left = BREAK_OFF_NS;
            left > 0 && !session.holdings().isIdle();
            left = until - System.nanoTime()) {
          session.wait(Math.max(1, left / BootClock.MS));
        }
      } catch (InterruptedException interrupt) {
        // What is in hand goes back as it is.
      }
    }
    end();
  }

  /** It has called System.exit, and waits for that. */
  private static boolean isExiting(Thread thread) {
    for (StackTraceElement frame : thread.getStackTrace()) {
      if (frame.getClassName().equals("java.lang.Runtime")
          && frame.getMethodName().equals("exit")) {
        return true;
      }
    }
    return false;
  }

  private void end() {
    synchronized (session) {
      session.leave("the worker is closed", clock.now());
      session.notifyAll();
    }
    line.end();
    fence.end();
  }
}
