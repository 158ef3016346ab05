package io.bellis;

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

  private final WorkerOptions options;
  private final Membership membership;
  private final LongFunction<WorkNote> claimNote;
  private final Demand demand;
  private final LeaseTime time = new LeaseTime();

  private Phase phase = Phase.WORKING;
  private String leaveReason = "";
  private WorkNote note = WorkNote.NOWHERE;

  private final Holdings holdings = new Holdings();
  private final Results results = new Results(); // what is unsent goes before the monitor is left

  WorkerSession(
      WorkerOptions options,
      Identity me,
      LongSupplier newSession,
      LongFunction<WorkNote> claimNote,
      long now) {
    super(options.access, now);
    this.options = options;
    this.claimNote = claimNote;
    membership = new Membership(options, me, newSession);
    demand = new Demand(options.prefetch);
    sayHello(now);
  }

  /** For the fence, which reads it without the monitor. */
  LeaseTime time() {
    return time;
  }

  // ---- for the user's threads ----

  /** A thread says there when it waits for a block. */
  Demand demand() {
    return demand;
  }

  /** The next block, for this thread, which waits no more. Null: none yet, or it is over. */
  Block next(Thread thread, long now) {
    boolean mayBegin = isWelcomed() && !hasEnded() && !time.isLate();
    if (mayBegin && holdings.stockSize() > 0 && time.hasEnded(now)) {
      holdings.takeStock();
      sayHello(now);
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

  Holdings holdings() {
    return holdings;
  }

  Results results() {
    return results;
  }

  /** Takes no more blocks, and interrupts those who work. */
  void breakOff(String reason, long now) {
    beginDrain(reason);
    holdings.breakOff();
    settle(now);
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
      results.send(this, 0);
    }
    sayGoodbye(now);
  }

  Membership membership() {
    return membership;
  }

  @Override
  String task() {
    return membership.task();
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
      if (isWelcomed() && phase == Phase.WORKING) {
        holdings.takeNewest(recall.keep()).forEach(block -> handIn(Result.returned(block)));
      }
    } else if (message instanceof Message.Committed stored) {
      results.committed(stored);
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
    membership.welcome(welcome);
    welcome.prefetch().ifPresent(demand::taskSays);
    if (isFirst) {
      note = claimNote.apply(membership.number());
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
    results.welcome(welcome);
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
    } else if (code.equals("unknown_worker") && !isWelcomed() && membership.isJustRenewed()) {
      // It may be about what was said before this hello. If not, the next hello gets it again.
      LOG.log(System.Logger.Level.DEBUG, "passed over: {0}", error.message());
    } else if (code.equals("unknown_worker") && !membership.hasGivenNumber()) {
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
      holdings.takeStock(); // The next ping would renew leases that are over.
      sayHello(now);
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
    return time.mustEnd(now);
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
    held.addAll(results.kept());
    send("hello", membership.hello(held));
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
      membership.renew();
      time.forgetHello();
      sayHello(now);
    } else if (phase == Phase.LEAVING && holdings.isIdle()) {
      bye(leaveReason);
    } else if (isWelcomed() && !isStill()) {
      boolean asks = phase == Phase.WORKING && !time.isLate();
      results.send(this, asks ? demand.ask(holdings.stockSize(), holdings.workingCount(), now) : 0);
      if (phase == Phase.DRAINING && holdings.isIdle()) {
        sayGoodbye(now);
      }
    }
  }

  private void sayGoodbye(long now) {
    if (isWelcomed() && demand.waitsForBlocks()) {
      sayHello(now); // It takes back the request: a block that is on its way is not lost with us.
    }
    bye(leaveReason);
  }

  private void handIn(Result result) {
    results.add(result, isWelcomed());
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
    results.loseAll();
    holdings.loseAll();
  }

  /** What the user has is other than before: for the launcher, and for the fence. */
  private void noteWork() {
    time.guard(!holdings.isIdle());
    if (isOver() && holdings.isIdle()) {
      note.erase();
    } else {
      note.set(membership.number(), holdings.workingLease());
    }
  }
}
