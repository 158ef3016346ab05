package io.bellis;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.LongFunction;
import java.util.function.LongSupplier;

/**
 * The worker's side of the protocol, level 2:
 *
 * <pre>
 *               hello              release, acquire              leave, or drain with nothing held
 *    (start) ----------> GREETING ------------------> (welcomed) --------------------------------> over
 *                           ^        welcome             |
 *                           +----------------------------+
 *                              hello_first, silence
 * </pre>
 *
 * <p>Leases outlive connections: a hello lists them all, and the welcome says which are still ours.
 * The thread that works on a block that is no longer ours is interrupted, and what it hands in is
 * dropped; until it does, the deadline stays where it is ({@link Fence}).
 */
final class WorkerSession extends Conversation {
  private static final System.Logger LOG = System.getLogger("io.bellis");
  private static final Set<String> FATAL =
      Set.of(
          "unauthorized", "unknown_job", "unknown_task", "unknown_worker", "version", "wrong_role");

  /** In one message: each may have an error of 16 KiB, and a message 1 MiB. */
  private static final int RESULTS_MAX = 60;

  /** What is going on. */
  private enum Phase {
    WORKING,
    /** No more blocks: finish what is in hand, and go. */
    DRAINING,
    /** Nothing is ours any more: stop, and go. */
    LEAVING,
    /** Nothing is ours any more: stop, and come as a new worker. */
    RENEWING
  }

  private final WorkerOptions options;
  private final Identity me;
  private final LongSupplier newSession;
  private final LongFunction<WorkNote> claimNote;
  private final Demand demand;
  private final LeaseTime time = new LeaseTime();

  private Phase phase = Phase.WORKING;
  private long number;
  private String job;
  private String task;
  private long slot;
  private String leaveReason = "";
  private long session;
  private long greeting;
  private boolean isRenewed; // the session is not the first one
  private WorkNote note = WorkNote.NOWHERE;

  private final Holdings holdings = new Holdings();
  private final List<Result> batch = new ArrayList<>(); // sent before the monitor is left
  private final List<Long> committed = new ArrayList<>(); // not told to the user
  private boolean isDurable;

  WorkerSession(
      WorkerOptions options,
      Identity me,
      LongSupplier newSession,
      LongFunction<WorkNote> claimNote,
      long now) {
    super(options.access, now);
    this.options = options;
    this.me = me;
    this.newSession = newSession;
    this.claimNote = claimNote;
    demand = new Demand(options.prefetch);
    number = options.worker;
    job = options.job;
    task = options.task;
    session = newSession.getAsLong();
    sayHello(now);
  }

  /** For the fence, which reads it without the monitor. */
  LeaseTime time() {
    return time;
  }

  // ---- for the user's threads ----

  /** A thread waits for a block from now on, until it gets one. */
  void await() {
    demand.await();
  }

  void awaitNoMore() {
    demand.awaitNoMore();
  }

  /** The next block, for this thread, which waits no more. Null: none yet, or it is over. */
  Block next(Thread thread, long now) {
    boolean mayBegin = isWelcomed() && !hasEnded() && !time.isLate();
    if (mayBegin && holdings.stockSize() > 0 && time.hasEnded(now)) {
      sayHelloWithoutStock(now);
      mayBegin = false;
    }
    Block block = mayBegin ? holdings.start(thread) : null;
    if (block != null) {
      demand.blockBegins(now);
      noteWork();
    }
    settle(now);
    return block;
  }

  /** The block is done; {@code more}: next is called at once, by the same thread. */
  void finish(Result result, long now, boolean more) {
    Holdings.Out out = holdings.end(result.block());
    if (out == null) {
      return; // It was handed back when the worker was closed.
    }
    demand.blockEnds(now);
    noteWork();
    if (out.isInterrupted() && out.thread == Thread.currentThread()) {
      Thread.interrupted(); // It was meant for the block.
    }
    if (!out.isLost) {
      boolean isReturned = out.isBrokenOff && result.status() == Result.Status.failed;
      handIn(isReturned ? Result.returned(result.block()) : result);
    }
    if (!more) {
      settle(now);
    }
  }

  /** Whether no block comes any more. */
  boolean hasEnded() {
    return isOver() || phase == Phase.DRAINING || phase == Phase.LEAVING;
  }

  boolean isLost(Block block) {
    return holdings.isLost(block);
  }

  /** Takes no more blocks, and interrupts those who work. */
  void breakOff(String reason, long now) {
    beginDrain(reason);
    holdings.breakOff();
    settle(now);
  }

  /** The thread of each block that is worked on. */
  Map<Block, Thread> threads() {
    return holdings.threads();
  }

  /** Hands back what is in hand, and says bye. */
  void leave(String reason, long now) {
    if (isOver()) {
      return;
    }
    beginDrain(reason);
    holdings.endAll().forEach(block -> handIn(Result.returned(block)));
    noteWork();
    if (isWelcomed()) {
      sendBatch(0);
    }
    sayGoodbye(now);
  }

  List<Long> takeCommitted() {
    List<Long> taken = List.copyOf(committed);
    committed.clear();
    return taken;
  }

  long number() {
    return number;
  }

  String job() {
    return job;
  }

  @Override
  String task() {
    return task;
  }

  long slot() {
    return slot;
  }

  String leaveReason() {
    return leaveReason;
  }

  // ---- what comes ----

  @Override
  void handle(Message message, long now) {
    if (message instanceof Message.Welcome welcome) {
      onWelcome(welcome, now);
    } else if (message instanceof Message.Work work) {
      onWork(work);
    } else if (message instanceof Message.Recall recall) {
      onRecall(recall);
    } else if (message instanceof Message.Committed stored) {
      onCommitted(stored);
    } else if (message instanceof Message.Pong pong) {
      time.pong(pong.nonce(), !holdings.hasLost());
    } else if (message instanceof Message.Drain drain) {
      demand.forget();
      beginDrain(drain.reason());
    } else if (message instanceof Message.Leave leave) {
      phase = Phase.LEAVING;
      leaveReason = leave.reason();
      loseAll();
    } else if (message instanceof Message.Refused refused) {
      onError(refused, now);
    }
    settle(now);
  }

  private void onWelcome(Message.Welcome welcome, long now) {
    if (isWelcomed() || isStill()) {
      return;
    }
    boolean isFirst = !wasWelcomed();
    welcomed(welcome);
    number = welcome.worker();
    job = welcome.job();
    task = welcome.task();
    slot = welcome.slot();
    isDurable = welcome.durable();
    welcome.prefetch().ifPresent(demand::taskSays);
    if (isFirst) {
      note = claimNote.apply(number);
    }
    holdings.keepOnly(welcome.held());
    time.welcome(
        options.heartbeatMs > 0 ? welcome.leaseMs() : 0,
        welcome.heartbeatMs() > 0 ? welcome.heartbeatMs() : options.heartbeatMs,
        !holdings.hasLost(),
        now);
    if (time.isLate()) {
      ping(now);
    }
    batch.addAll(holdings.kept());
    if (!isDurable) {
      holdings.forgetResults();
    }
    if (phase == Phase.DRAINING) {
      returnStock();
    }
    noteWork();
  }

  private void onWork(Message.Work work) {
    if (!isWelcomed() || isStill()) {
      return; // Leased to what was before the hello: these blocks go back.
    }
    holdings.stockUp(work.blocks());
    demand.received(work.blocks().size());
    if (demand.sheds() || phase == Phase.DRAINING) {
      returnStock();
    }
  }

  private void onRecall(Message.Recall recall) {
    if (isWelcomed() && phase == Phase.WORKING) {
      holdings.takeNewest(recall.keep()).forEach(block -> handIn(Result.returned(block)));
    }
  }

  private void onCommitted(Message.Committed stored) {
    committed.addAll(holdings.forgetResults(stored.leases()));
    holdings.forgetResults(stored.dropped());
    if (!stored.dropped().isEmpty()) {
      LOG.log(
          System.Logger.Level.WARNING,
          "the results of {0} blocks were not taken: their leases were over",
          stored.dropped().size());
    }
  }

  private void onError(Message.Refused error, long now) {
    String code = error.code();
    if (isStill()) {
      return; // It goes anyway.
    }
    if (code.equals("hello_first")) {
      if (isWelcomed()) {
        LOG.log(
            System.Logger.Level.WARNING,
            "the connection to the broker at {0} was lost, saying hello again",
            options.access.endpoint());
        sayHello(now);
      }
    } else if (code.equals("unknown_worker") && isRenewed && !isWelcomed() && greeting == 1) {
      // It may be about what was said before this hello. If not, the next hello gets it again.
      LOG.log(System.Logger.Level.DEBUG, "passed over: {0}", error.message());
    } else if (code.equals("unknown_worker") && number != options.worker) {
      phase = Phase.RENEWING;
      loseAll();
    } else if (!isWelcomed() || FATAL.contains(code)) {
      loseAll();
      fail(error.exception());
    } else {
      if (code.equals("limit")) {
        demand.limit(now);
      }
      LOG.log(
          System.Logger.Level.ERROR,
          "the broker refused a message of this worker: {0} ({1})",
          error.message(),
          code);
    }
  }

  // ---- what is due ----

  @Override
  void look(long now) {
    if (!isWelcomed()) {
      return;
    }
    if (now >= time.nextPing()) {
      ping(now);
    }
    if (holdings.isIdle() && time.hasEnded(now) && !time.isLate()) {
      sayHelloWithoutStock(now); // The next ping would renew leases that are over.
    } else if (demand.beginsToShed(holdings.stockSize(), now)) {
      returnStock();
    }
    settle(now);
  }

  @Override
  long nextLook(long now) {
    if (!isWelcomed()) {
      return now + helloEvery();
    }
    long shed = demand.nextLook(holdings.stockSize(), now);
    return Math.max(now, Math.min(time.nextPing(), shed));
  }

  @Override
  boolean isFenced(long now) {
    return time.isGuarded() && time.isOver(now);
  }

  @Override
  boolean isStill() {
    return phase == Phase.LEAVING || phase == Phase.RENEWING;
  }

  @Override
  long helloEvery() {
    return time.helloEvery();
  }

  @Override
  long patience() {
    return BootClock.MS * (wasWelcomed() ? options.lostTimeoutMs : options.connectTimeoutMs);
  }

  @Override
  void ended() {
    noteWork();
  }

  // ---- what is said ----

  @Override
  void hello(long now) {
    demand.forget();
    time.helloIsSent(now);
    List<Block> held = holdings.all();
    send("hello", Hello.worker(options, me, number, job, task, session, ++greeting, held));
  }

  private void sayHelloWithoutStock(long now) {
    holdings.takeStock();
    sayHello(now);
  }

  @Override
  void pingBroker(long now) {
    send("ping", Map.of("nonce", time.ping(now)));
  }

  /** Sends what follows from what has just happened. */
  private void settle(long now) {
    if (isOver()) {
      return;
    }
    if (phase == Phase.RENEWING && holdings.isIdle()) {
      phase = Phase.WORKING;
      number = options.worker;
      session = newSession.getAsLong();
      greeting = 0;
      isRenewed = true;
      time.forgetHello();
      sayHello(now);
    } else if (phase == Phase.LEAVING && holdings.isIdle()) {
      bye(leaveReason);
    } else if (isWelcomed() && !isStill()) {
      boolean asks = phase == Phase.WORKING && !time.isLate();
      sendBatch(asks ? demand.ask(holdings.stockSize(), holdings.workingCount(), now) : 0);
      if (phase == Phase.DRAINING && holdings.isIdle()) {
        sayGoodbye(now);
      }
    }
  }

  private void sendBatch(int want) {
    if (batch.isEmpty() && want > 0) {
      send("acquire", Map.of("want", want));
    }
    for (int from = 0; from < batch.size(); from += RESULTS_MAX) {
      int to = Math.min(batch.size(), from + RESULTS_MAX);
      Map<String, Object> release = new LinkedHashMap<>();
      release.put("results", batch.subList(from, to).stream().map(Result::fields).toList());
      release.put("want", to == batch.size() ? want : 0);
      send("release", release);
    }
    batch.clear();
  }

  private void sayGoodbye(long now) {
    if (isWelcomed() && demand.waitsForBlocks()) {
      sayHello(now); // It takes back the request: a block that is on its way is not lost with us.
    }
    bye(leaveReason);
  }

  // ---- what it has ----

  private void handIn(Result result) {
    boolean isReturned = result.status() == Result.Status.returned;
    // Without a welcome it is not known whether the broker is a durable one.
    if (!isWelcomed() || isDurable && !isReturned) {
      holdings.keep(result);
    }
    if (isWelcomed()) {
      batch.add(result);
    }
  }

  private void returnStock() {
    if (isWelcomed()) {
      holdings.takeStock().forEach(block -> handIn(Result.returned(block)));
    }
  }

  private void beginDrain(String reason) {
    if (phase == Phase.WORKING) {
      phase = Phase.DRAINING;
      leaveReason = reason;
      returnStock();
    }
  }

  private void loseAll() {
    batch.clear();
    holdings.loseAll();
  }

  /** What the user has is other than before: for the launcher, and for the fence. */
  private void noteWork() {
    time.guard(!holdings.isIdle());
    if (isOver() && holdings.isIdle()) {
      note.erase();
    } else {
      note.set(number, holdings.workingLease());
    }
  }
}
