package io.bellis;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Results that are to be sent, in messages that are not too large. */
final class Releases {
  /** In one message: each may have an error of 16 KiB, and a message 1 MiB. */
  private static final int RESULTS_MAX = 60;

  private final List<Result> results = new ArrayList<>();

  void add(Result result) {
    results.add(result);
  }

  void clear() {
    results.clear();
  }

  /** Sends them all, and asks for {@code want} blocks in the last message. */
  void send(Conversation conversation, int want) {
    if (results.isEmpty() && want > 0) {
      conversation.send("acquire", Map.of("want", want));
    }
    for (int from = 0; from < results.size(); from += RESULTS_MAX) {
      int to = Math.min(results.size(), from + RESULTS_MAX);
      Map<String, Object> release = new LinkedHashMap<>();
      release.put("results", results.subList(from, to).stream().map(Result::fields).toList());
      release.put("want", to == results.size() ? want : 0);
      conversation.send("release", release);
    }
    results.clear();
  }
}
