package io.bellis;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Map;
import org.junit.jupiter.api.Test;

/** How many blocks are asked for in advance. */
class PrefetchTest {
  private static final long US = 1000;

  private static void play(Prefetch prefetch, long ns) {
    prefetch.blockBegins(0);
    prefetch.blockEnds(ns);
  }

  @Test
  void growsWhileBlocksAreFastAndShrinksAtOnceWhenOneIsNot() {
    Prefetch prefetch = new Prefetch(WorkerOptions.ADAPTIVE);
    int[] stocks = {1, 3, 7, 15, 31, 63, 127, 127};
    for (int stock : stocks) {
      play(prefetch, 5 * US);
      assertEquals(stock, prefetch.stock());
    }
    play(prefetch, 2000 * US);
    assertEquals(0, prefetch.stock());
  }

  @Test
  void isWorthAMillisecond() {
    Prefetch prefetch = new Prefetch(WorkerOptions.ADAPTIVE);
    for (int i = 0; i < 9; ++i) {
      play(prefetch, 100 * US);
    }
    assertEquals(10, prefetch.stock());
  }

  @Test
  void theUsersNumberStays() {
    Prefetch prefetch = new Prefetch(5);
    play(prefetch, 2000 * US);
    assertEquals(5, prefetch.stock());
    prefetch.blockBegins(0);
    assertEquals(Long.MAX_VALUE, prefetch.shedAt());
  }

  @Test
  void aStockBehindASlowBlockGoesBackWithWhatStillComes() {
    Script script = new Script();
    script.options.prefetch = WorkerOptions.ADAPTIVE;
    script.welcomed();
    script.acquire(0);
    script.expect("[\"acquire\",{\"want\":1}]");
    script.work(1);
    script.complete(script.next(1));
    script.expect(
        "[\"release\",{\"results\":[{\"lease\":1,\"status\":\"completed\"}],\"want\":0}]");
    script.acquire(0);
    script.expect("[\"acquire\",{\"want\":2}]");
    script.work(2);
    Block slow = script.next(2);
    script.pass(0.019);
    script.expectSilence();
    script.pass(0.001);
    script.expectSilence();
    script.work(3);
    script.expect("[\"release\",{\"results\":[{\"lease\":3,\"status\":\"returned\"}],\"want\":0}]");
    script.complete(slow);
    script.expect(
        "[\"release\",{\"results\":[{\"lease\":2,\"status\":\"completed\"}],\"want\":0}]");
    script.send("leave", Map.of("reason", ""));
    script.expect("[\"bye\",{\"reason\":\"\"}]");
  }

  @Test
  void aTaskSaysHowManyUnlessTheUserDoes() {
    Script script = new Script();
    script.options.prefetch = Demand.UNSAID;
    script.welcomed("prefetch", 6);
    script.acquire(0);
    script.expect("[\"acquire\",{\"want\":7}]");
    Script other = new Script();
    other.options.prefetch(1);
    other.welcomed("prefetch", 6);
    other.acquire(0);
    other.expect("[\"acquire\",{\"want\":2}]");
  }

  @Test
  void whatIsRecalledGoesBackTheNewestFirst() {
    Script script = new Script();
    script.options.prefetch(3);
    script.welcomed();
    script.send("recall", Map.of("keep", 1));
    script.acquire(0);
    script.expect("[\"acquire\",{\"want\":4}]");
    script.work(1, 2, 3, 4);
    script.next(1);
    script.send("recall", Map.of("keep", 2));
    script.expect(
        "[\"release\",{\"results\":[{\"lease\":4,\"status\":\"returned\"},"
            + "{\"lease\":3,\"status\":\"returned\"}],\"want\":2}]");
  }
}
