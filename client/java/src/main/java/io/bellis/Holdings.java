package io.bellis;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * The blocks that a worker has: those that it has not started, and those that are worked on. A
 * hello lists them all.
 */
final class Holdings {
  /** A block in the user's hands. */
  static final class Out {
    final Block block;
    final Thread thread;

    /** It is not this worker's any more. */
    boolean isLost;

    /** It is to go back if it is not done. */
    boolean isBrokenOff;

    Out(Block block, Thread thread) {
      this.block = block;
      this.thread = thread;
    }

    boolean isInterrupted() {
      return isLost || isBrokenOff;
    }

    void lose() {
      isLost = true;
      thread.interrupt();
    }

    void breakOff() {
      isBrokenOff = true;
      thread.interrupt();
    }
  }

  private final Deque<Block> stock = new ArrayDeque<>();
  private final Map<Long, Out> working = new LinkedHashMap<>();

  // ---- stock ----

  int stockSize() {
    return stock.size();
  }

  void stockUp(List<Block> blocks) {
    stock.addAll(blocks);
  }

  /** All that is not started, which is in stock no more. */
  List<Block> takeStock() {
    List<Block> taken = List.copyOf(stock);
    stock.clear();
    return taken;
  }

  /** The newest blocks that are not started, until {@code keep} blocks are left in all. */
  List<Block> takeNewest(long keep) {
    List<Block> taken = new ArrayList<>();
    while (!stock.isEmpty() && working.size() + stock.size() > Math.max(1, keep)) {
      taken.add(stock.removeLast());
    }
    return taken;
  }

  /** The next block, which {@code thread} works on from now on; null: none is in stock. */
  Block start(Thread thread) {
    Block block = stock.poll();
    if (block != null) {
      working.put(block.lease(), new Out(block, thread));
    }
    return block;
  }

  // ---- blocks that are worked on ----

  boolean isIdle() {
    return working.isEmpty();
  }

  int workingCount() {
    return working.size();
  }

  /** The lease that is worked on; 0: none. */
  long workingLease() {
    return switch (working.size()) {
      case 0 -> 0;
      case 1 -> working.keySet().iterator().next();
      default -> WorkNote.SEVERAL;
    };
  }

  /** Takes the block out; null: it was taken out before. */
  Out end(Block block) {
    Out out = working.get(block.lease());
    return out != null && out.block == block ? working.remove(block.lease()) : null;
  }

  /** Takes all blocks out, and returns those that are not lost. */
  List<Block> endAll() {
    List<Block> ours =
        working.values().stream().filter(out -> !out.isLost).map(out -> out.block).toList();
    working.clear();
    return ours;
  }

  boolean isLost(Block block) {
    Out out = working.get(block.lease());
    return out == null || out.block != block || out.isLost;
  }

  /** Somebody works on a block that is not this worker's any more. */
  boolean hasLost() {
    return working.values().stream().anyMatch(out -> out.isLost);
  }

  void breakOff() {
    working.values().forEach(Out::breakOff);
  }

  Map<Block, Thread> threads() {
    Map<Block, Thread> threads = new HashMap<>();
    working.values().forEach(out -> threads.put(out.block, out.thread));
    return threads;
  }

  // ---- all of them ----

  /** All that is not lost. */
  List<Block> all() {
    List<Block> all = new ArrayList<>(stock);
    working.values().stream().filter(out -> !out.isLost).forEach(out -> all.add(out.block));
    return all;
  }

  /** All other leases are not this worker's any more. */
  void keepOnly(List<Long> leases) {
    Set<Long> ours = new HashSet<>(leases);
    stock.removeIf(block -> !ours.contains(block.lease()));
    working.values().stream().filter(out -> !ours.contains(out.block.lease())).forEach(Out::lose);
  }

  void loseAll() {
    keepOnly(List.of());
  }
}
