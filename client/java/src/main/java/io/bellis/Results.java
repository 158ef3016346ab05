package io.bellis;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The results of a worker: those that are to be sent, and those that are kept because the broker
 * may not have them on its disk. A hello lists the kept ones.
 */
final class Results {
  private static final System.Logger LOG = System.getLogger("io.bellis");

  /** In one message: each may have an error of 16 KiB, and a message 1 MiB. */
  private static final int RESULTS_MAX = 60;

  private final List<Result> unsent = new ArrayList<>();
  private final Map<Long, Result> kept = new LinkedHashMap<>();
  private final List<Long> committed = new ArrayList<>(); // not told to the user
  private boolean isDurable; // the broker: it stores results, and says so

  void add(Result result, boolean isWelcomed) {
    boolean isReturned = result.status() == Result.Status.returned;
    // Without a welcome it is not known whether the broker is a durable one.
    if (!isWelcomed || isDurable && !isReturned) {
      kept.put(result.block().lease(), result);
    }
    if (isWelcomed) {
      unsent.add(result);
    }
  }

  /** What is kept is to be sent again, but for leases that the broker does not know. */
  void welcome(Message.Welcome welcome) {
    kept.keySet().retainAll(new HashSet<>(welcome.held()));
    unsent.addAll(kept.values());
    isDurable = welcome.durable();
    if (!isDurable) {
      kept.clear();
    }
  }

  /** Keeps no longer what the broker has on its disk, or does not want. */
  void committed(Message.Committed stored) {
    for (long lease : stored.leases()) {
      if (kept.remove(lease) != null) {
        committed.add(lease);
      }
    }
    kept.keySet().removeAll(stored.dropped());
    if (!stored.dropped().isEmpty()) {
      LOG.log(
          System.Logger.Level.WARNING,
          "the results of {0} blocks were not taken: their leases were over",
          stored.dropped().size());
    }
  }

  /** The leases that were committed since the last call. */
  List<Long> takeCommitted() {
    List<Long> taken = List.copyOf(committed);
    committed.clear();
    return taken;
  }

  /** The blocks whose results are kept. */
  List<Block> kept() {
    return kept.values().stream().map(Result::block).toList();
  }

  /** Nothing is to be sent, and nothing is kept. */
  void loseAll() {
    unsent.clear();
    kept.clear();
  }

  /** Sends all that is to be sent, and asks for {@code want} blocks in the last message. */
  void send(Conversation conversation, int want) {
    if (unsent.isEmpty() && want > 0) {
      conversation.send("acquire", Map.of("want", want));
    }
    for (int from = 0; from < unsent.size(); from += RESULTS_MAX) {
      int to = Math.min(unsent.size(), from + RESULTS_MAX);
      Map<String, Object> release = new LinkedHashMap<>();
      release.put("results", unsent.subList(from, to).stream().map(Result::fields).toList());
      release.put("want", to == unsent.size() ? want : 0);
      conversation.send("release", release);
    }
    unsent.clear();
  }
}
