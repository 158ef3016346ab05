package io.bellis;

/**
 * How many blocks a worker asks for in advance. Blocks that take microseconds are asked for many at
 * a time: the stock is what takes about a millisecond to work off. When a block takes longer than
 * those before it, the stock is to go back, so that no block waits behind it while another worker
 * could have it. A number that the user has chosen stays.
 */
final class Prefetch {
  /** The most that is asked for in advance, unless the user has chosen more. */
  static final int STOCK_MAX = 127;

  /** A block that takes so long gets the stock handed back. */
  static final long SHED_AFTER = 20 * BootClock.MS;

  private static final double WORTH_NS = 1e6;
  private static final double NEW_WEIGHT = 0.25;

  private final boolean adapts;
  private int stock;
  private int max = STOCK_MAX;
  private int working;
  private double meanNs = -1;
  private long begun;

  /** {@code blocks}: WorkerOptions.prefetch. */
  Prefetch(int blocks) {
    adapts = blocks == WorkerOptions.ADAPTIVE;
    stock = adapts ? 0 : blocks;
  }

  /** How many blocks to have in stock beside the one worked on. */
  int stock() {
    return stock;
  }

  /** The broker permits no more. */
  void askForLess() {
    max = stock = stock / 2;
  }

  void blockBegins(long now) {
    begun = now;
    if (++working > 1 && adapts) {
      stock = 0; // Of several at once nobody knows what one takes.
    }
  }

  void blockEnds(long now) {
    if (--working > 0 || !adapts) {
      return;
    }
    double took = Math.max(1, now - begun);
    meanNs = meanNs < 0 || took > WORTH_NS ? took : meanNs + NEW_WEIGHT * (took - meanNs);
    // It grows slowly, so that a short job is shared by all.
    stock = (int) Math.min(Math.min(WORTH_NS / meanNs, max), 2 * stock + 1);
  }

  /** When the stock is to go back, if a block is worked on. */
  long shedAt() {
    return adapts && working > 0 ? begun + SHED_AFTER : Long.MAX_VALUE;
  }
}
