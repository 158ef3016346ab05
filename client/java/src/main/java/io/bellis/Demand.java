package io.bellis;

/**
 * How many blocks a worker asks for: one for each thread that waits, and a stock ({@link
 * Prefetch}). What was asked for waits in the broker, and is not asked for again.
 */
final class Demand {
  /** The user has said nothing of a stock: the task may. */
  static final int UNSAID = -2;

  private Prefetch prefetch;
  private boolean isUnsaid;
  private int waiting; // threads
  private int wanted; // asked for, and not received
  private int asked; // by the last request
  private long askAgain = Long.MIN_VALUE;
  private boolean sheds;

  /** {@code prefetch}: WorkerOptions.prefetch. */
  Demand(int prefetch) {
    isUnsaid = prefetch == UNSAID;
    this.prefetch = new Prefetch(isUnsaid ? WorkerOptions.ADAPTIVE : prefetch);
  }

  /** The task says how large a stock is to be. */
  void taskSays(long stock) {
    if (isUnsaid) {
      isUnsaid = false;
      prefetch = new Prefetch((int) Math.min(stock, WorkerOptions.BLOCKS_MAX - 1));
    }
  }

  /** A thread waits from now on, until it begins a block. */
  void await() {
    ++waiting;
  }

  void awaitNoMore() {
    --waiting;
  }

  void blockBegins(long now) {
    --waiting;
    prefetch.blockBegins(now);
  }

  void blockEnds(long now) {
    prefetch.blockEnds(now);
    sheds = false;
  }

  void received(int blocks) {
    wanted = Math.max(0, wanted - blocks);
  }

  /** The broker has forgotten what it was asked for. */
  void forget() {
    wanted = 0;
  }

  boolean waitsForBlocks() {
    return wanted > 0;
  }

  /** The last request was refused: it was for too many. */
  void limit(long now) {
    prefetch.askForLess();
    wanted = Math.max(0, wanted - asked);
    askAgain = now + Conversation.SECOND;
  }

  /** How many blocks to ask for now, in batches, when half of the stock is used up. */
  int ask(int stock, int working, long now) {
    if (now < askAgain || waiting == 0 && working == 0) {
      return 0;
    }
    int aim = sheds ? 0 : prefetch.stock();
    int have = stock + wanted;
    boolean isLow = have <= aim / 2 || have < waiting;
    int free = WorkerOptions.BLOCKS_MAX - working - have;
    int want = isLow ? Math.min(free, Math.max(0, waiting + aim - have)) : 0;
    if (want > 0) {
      asked = want;
      wanted += want;
    }
    return want;
  }

  /** Blocks that come go back: one is worked on that takes long. */
  boolean sheds() {
    return sheds;
  }

  /** Whether the stock is to go back now. */
  boolean beginsToShed(int stock, long now) {
    boolean begins = !sheds && wanted + stock > 0 && now >= prefetch.shedAt();
    sheds |= begins;
    return begins;
  }

  /** When to ask {@link #beginsToShed}: a block that begins wakes nobody, so from time to time. */
  long nextLook(int stock, long now) {
    boolean mayShed = !sheds && wanted + stock > 0;
    return mayShed ? Math.min(prefetch.shedAt(), now + Prefetch.SHED_AFTER) : Long.MAX_VALUE;
  }
}
