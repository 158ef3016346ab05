package io.bellis;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** Stories of a worker and its broker. */
class WorkerSessionTest {
  private static final String WANT_1 = "[\"acquire\",{\"want\":1}]";
  private static final String BYE = "[\"bye\",{\"reason\":\"done\"}]";

  private final Script script = new Script();

  private static String held(long... leases) {
    StringBuilder held = new StringBuilder("[");
    for (long lease : leases) {
      held.append(held.length() > 1 ? "," : "");
      held.append("{\"lease\":%d,\"index\":%d,\"attempt\":1}".formatted(lease, lease + 100));
    }
    return held.append("]").toString();
  }

  private void expectRelease(int want, String... results) {
    script.expect(
        "[\"release\",{\"results\":[%s],\"want\":%d}]".formatted(String.join(",", results), want));
  }

  private static String completed(long lease) {
    return "{\"lease\":%d,\"status\":\"completed\"}".formatted(lease);
  }

  private static String returned(long lease) {
    return "{\"lease\":%d,\"status\":\"returned\"}".formatted(lease);
  }

  @Test
  void oneBlockCostsOneMessageEachWay() {
    script.welcomed();
    script.acquire(0);
    script.expect(WANT_1);
    script.work(1);
    Block block = script.next(1);
    script.session.demand().await();
    script.session.finish(Result.failed(block, "disk full"), script.now, true);
    script.next(0);
    expectRelease(1, "{\"lease\":1,\"status\":\"failed\",\"error\":\"disk full\"}");
    script.send("leave", Map.of("reason", "done"));
    script.expect(BYE);
    assertTrue(script.session.hasEnded());
    script.next(0);
    script.expectSilence();
    assertEquals(List.of("7:0", "7:1", "7:0", "erased"), script.notes);
  }

  @Test
  void severalRefusalsAreAnsweredByOneHelloWhichListsWhatIsHeld() {
    script.options.prefetch(1);
    script.welcomed("durable", true);
    script.acquire(0);
    script.expect("[\"acquire\",{\"want\":2}]");
    script.work(1, 2, 3);
    script.complete(script.next(1));
    expectRelease(0, completed(1));
    Block second = script.acquire(2);
    script.expectSilence();
    script.error("hello_first");
    script.expectHello("greeting", 2, "session", 101, "worker", 7, "held", held(3, 2, 1));
    script.error("hello_first");
    script.work(4);
    script.complete(second);
    script.expectSilence();
    script.welcome("durable", true, "held", List.of(1, 2));
    expectRelease(0, completed(1), completed(2));
    script.send("committed", Map.of("leases", List.of(1), "dropped", List.of(2)));
    assertEquals(List.of(1L), script.session.results().takeCommitted());
    script.error("hello_first");
    script.expectHello("greeting", 3, "held", "[]");
  }

  @Test
  void aBlockThatTheWelcomeDoesNotListIsLostAndItsResultDropped() {
    script.welcomed();
    script.acquire(0);
    script.expect(WANT_1);
    script.work(1);
    Block block = script.next(1);
    script.error("hello_first");
    script.expectHello("held", held(1));
    assertFalse(script.session.holdings().isLost(block));
    script.welcome("held", List.of());
    assertTrue(script.session.holdings().isLost(block));
    script.complete(block);
    script.expectSilence();
    script.acquire(0);
    script.expect(WANT_1);
  }

  @Test
  void aLaunchedWorkerThatIsNotKnownEnds() {
    script.options.worker = 7;
    script.welcomed();
    script.error("unknown_worker");
    BrokerException error =
        assertThrows(BrokerException.class, () -> script.session.throwFailure());
    assertEquals("unknown_worker", error.code());
    script.expectSilence();
  }

  @Test
  void anExternalWorkerThatIsNotKnownComesAsANewOneWhenItHasStopped() {
    script.welcomed();
    script.acquire(0);
    script.expect(WANT_1);
    script.work(1);
    Block block = script.next(1);
    script.error("unknown_worker");
    script.error("unknown_worker");
    assertTrue(script.session.holdings().isLost(block));
    script.pass(60);
    script.expectSilence();
    script.complete(block);
    script.expectHello("worker", 0, "session", 102, "greeting", 1, "held", "[]");
    script.error("unknown_worker"); // That of a ping from before.
    script.expectSilence();
    for (int second = 0; second < 10; ++second) {
      script.pass(1);
    }
    script.expectHello("worker", 0, "session", 102, "greeting", 2);
    script.error("unknown_worker");
    assertThrows(BrokerException.class, () -> script.session.throwFailure());
  }

  @Test
  void drainReturnsWhatIsNotStartedAndGoesWhenTheRestIsDone() {
    script.options.prefetch(2);
    script.welcomed();
    script.acquire(0);
    script.expect("[\"acquire\",{\"want\":3}]");
    script.work(1, 2);
    Block block = script.next(1);
    script.expectSilence();
    script.send("drain", Map.of("reason", "done"));
    expectRelease(0, returned(2));
    script.work(3);
    expectRelease(0, returned(3));
    script.complete(block);
    expectRelease(0, completed(1));
    script.expect(BYE);
  }

  @Test
  void drainBeforeTheWelcomeWaitsForIt() {
    script.start();
    script.expectHello();
    script.send("drain", Map.of("reason", "done"));
    script.expectSilence();
    script.welcome();
    script.expect(BYE);
  }

  @Test
  void leaveTakesWhatIsHeldAway() {
    script.options.prefetch(1);
    script.welcomed();
    script.acquire(0);
    script.expect("[\"acquire\",{\"want\":2}]");
    script.work(1, 2);
    Block block = script.next(1);
    script.send("leave", Map.of("reason", "done"));
    script.expectSilence();
    assertTrue(script.session.holdings().isLost(block));
    script.complete(block);
    script.expect(BYE);
    assertEquals("done", script.session.leaveReason());
  }

  @Test
  void closingWhileARequestWaitsTakesItBack() {
    script.options.prefetch(1);
    script.welcomed();
    script.acquire(0);
    script.expect("[\"acquire\",{\"want\":2}]");
    script.work(1);
    script.next(1);
    script.session.leave("done", script.now);
    expectRelease(0, returned(1));
    script.expectHello("held", "[]");
    script.expect(BYE);
  }

  @Test
  void aBlockThatIsBrokenOffGoesBackAndOneThatIsDoneAllTheSameIsCompleted() {
    script.options.prefetch(1);
    script.welcomed();
    script.acquire(0);
    script.expect("[\"acquire\",{\"want\":2}]");
    script.work(1, 2);
    Block first = script.next(1);
    Block second = script.acquire(2);
    script.expect(WANT_1);
    script.session.breakOff("done", script.now);
    script.session.finish(Result.failed(first, "interrupted"), script.now, false);
    expectRelease(0, returned(1));
    script.complete(second);
    expectRelease(0, completed(2));
    script.expectHello("held", "[]");
    script.expect(BYE);
  }

  @Test
  void aSilentBrokerIsPingedAndThenLookedForOverAnotherSocket() {
    script.welcomed();
    script.acquire(0);
    script.expect(WANT_1);
    for (int second = 1; second < 10; ++second) {
      script.pass(1);
    }
    script.expectSilence();
    script.pass(1);
    script.expect("[\"ping\",{\"nonce\":1}]");
    for (int second = 11; second < 20; ++second) {
      script.pass(1);
    }
    script.expectSilence();
    assertFalse(script.session.takeReopen());
    script.pass(1);
    assertTrue(script.session.takeReopen());
    script.expectHello("greeting", 2, "worker", 7);
    for (int second = 21; second <= 30; ++second) {
      script.pass(1);
    }
    script.expectHello("greeting", 3);
    script.welcome();
    script.expect(WANT_1);
    script.welcome();
    script.expectSilence();
  }

  @Test
  void aBrokerThatNeverAnswersIsGivenUp() {
    script.options.connectTimeoutMs(3000);
    script.start();
    for (int second = 1; second <= 3; ++second) {
      script.pass(1);
    }
    BrokerException error =
        assertThrows(BrokerException.class, () -> script.session.throwFailure());
    assertEquals("no_broker", error.code());
    assertTrue(error.getMessage().contains("tcp://127.0.0.1:1 for 3.00 s"), error.getMessage());
  }

  @Test
  void timeInWhichTheProcessIsStoppedIsNoSilence() {
    script.options.lostTimeoutMs(30_000);
    script.welcomed();
    script.pass(3600);
    assertFalse(script.session.isOver());
    script.expectSilence();
  }

  @Test
  void aRefusedHelloEndsTheWorker() {
    script.start();
    script.error("limit");
    assertEquals(
        "limit", assertThrows(BrokerException.class, () -> script.session.throwFailure()).code());
  }

  @Test
  void anErrorThatChangedNothingDoesNotEndIt() {
    script.welcomed();
    script.error("storage");
    assertFalse(script.session.isOver());
    script.error("unauthorized");
    assertTrue(script.session.isOver());
  }

  @Test
  void whereTooMuchIsAskedForLessIsAskedForLater() {
    script.options.prefetch(9);
    script.welcomed();
    script.acquire(0);
    script.expect("[\"acquire\",{\"want\":10}]");
    script.error("limit");
    script.expectSilence();
    script.pass(1);
    script.expect("[\"acquire\",{\"want\":5}]");
  }

  @Test
  void anotherVersionEndsIt() {
    script.start();
    script.send("welcome", Map.of("version", 2));
    assertEquals(
        "version", assertThrows(BrokerException.class, () -> script.session.throwFailure()).code());
  }
}
