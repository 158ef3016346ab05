package io.bellis;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** When leases end, and what follows. A lease of 20 s has a margin of 0.7 s. */
class LeaseTest {
  private final Script script = new Script();

  private void welcomed() {
    script.options.heartbeatMs(4000);
    script.welcomed("lease_ms", 20_000, "heartbeat_ms", 4000);
  }

  private boolean mustEnd() {
    return script.session.time().mustEnd(script.now);
  }

  private Block blockInHand() {
    script.acquire(0);
    script.expect("[\"acquire\",{\"want\":1}]");
    script.work(1);
    return script.next(1);
  }

  @Test
  void leasesLastFromTheTimeAtWhichAnAnsweredPingWasSent() {
    welcomed();
    blockInHand();
    script.pass(4);
    script.expect("[\"ping\",{\"nonce\":1}]");
    script.pass(3);
    script.send("pong", Map.of("nonce", 1));
    script.pass(1);
    script.expect("[\"ping\",{\"nonce\":2}]");
    script.now += (long) (15.2 * 1e9); // 23.2 s
    assertFalse(mustEnd());
    script.now += (long) (0.1 * 1e9);
    assertTrue(mustEnd());
  }

  @Test
  void aHelloThatIsSaidAgainPromisesFromTheFirstOneOn() {
    script.options.heartbeatMs(4000).connectTimeoutMs(60_000);
    script.start();
    script.expectHello("greeting", 1, "heartbeat_ms", 4000);
    script.pass(4);
    script.pass(4);
    script.pass(2);
    script.expectHello("greeting", 2);
    script.welcome("lease_ms", 20_000, "heartbeat_ms", 4000);
    blockInHand();
    script.now += (long) (9.2 * 1e9);
    assertFalse(mustEnd());
    script.now += (long) (0.1 * 1e9);
    assertTrue(mustEnd());
  }

  @Test
  void aHelloThatIsAnsweredTooLateIsFollowedByAPing() {
    script.options.heartbeatMs(4000).connectTimeoutMs(60_000);
    script.start();
    script.expectHello("greeting", 1);
    script.acquire(0);
    script.now += 30_000_000_000L;
    script.welcome("lease_ms", 20_000, "heartbeat_ms", 4000);
    script.expect("[\"ping\",{\"nonce\":1}]");
    script.session.tick(script.now);
    script.expectSilence();
    script.send("pong", Map.of("nonce", 1));
    script.expect("[\"acquire\",{\"want\":1}]");
  }

  @Test
  void aPongFromBeforeAHelloPromisesNothing() {
    welcomed();
    blockInHand();
    script.pass(4);
    script.expect("[\"ping\",{\"nonce\":1}]");
    script.error("hello_first");
    script.expectHello("greeting", 2);
    script.send("pong", Map.of("nonce", 1));
    script.now += (long) (15.3 * 1e9);
    assertTrue(mustEnd());
  }

  @Test
  void whereNothingIsInHandLeasesThatEndBringAHello() {
    script.options.prefetch(1);
    welcomed();
    script.acquire(0);
    script.expect("[\"acquire\",{\"want\":2}]");
    script.work(1, 2);
    script.complete(script.next(1));
    script.expect(
        "[\"release\",{\"results\":[{\"lease\":1,\"status\":\"completed\"}],\"want\":0}]");
    for (int nonce = 1; nonce <= 4; ++nonce) {
      script.pass(4);
      script.send("drop", Map.of()); // The broker is there, but answers no ping.
      script.expect("[\"ping\",{\"nonce\":%d}]".formatted(nonce));
    }
    script.pass(3.3);
    script.expectHello("greeting", 2, "held", "[]");
    assertFalse(mustEnd());
  }

  @Test
  void aBlockIsNotStartedWhenItsLeaseIsOver() {
    welcomed();
    script.acquire(0);
    script.expect("[\"acquire\",{\"want\":1}]");
    script.work(1);
    script.now += 20_000_000_000L;
    script.next(0);
    script.expectHello("greeting", 2, "held", "[]");
  }

  @Test
  void workOnABlockThatIsLostMustStopAlthoughPingsAreAnswered() {
    welcomed();
    Block block = blockInHand();
    script.error("hello_first");
    script.expectHello("greeting", 2);
    script.pass(1);
    script.welcome("lease_ms", 20_000, "heartbeat_ms", 4000, "held", List.of());
    assertTrue(script.session.holdings().isLost(block));
    script.pass(4);
    script.expect("[\"ping\",{\"nonce\":1}]");
    script.send("pong", Map.of("nonce", 1));
    script.now += (long) (14.3 * 1e9);
    assertTrue(mustEnd());
    script.complete(block);
    assertFalse(mustEnd());
  }

  @Test
  void withoutHeartbeatsNothingEnds() {
    script.welcomed("lease_ms", 20_000);
    blockInHand();
    script.now += 3600_000_000_000L;
    assertFalse(mustEnd());
  }

  @Test
  void marginsAreThoseOfThePage() {
    assertEquals(700, LeaseTime.marginMs(20_000));
    assertEquals(165, LeaseTime.marginMs(1500));
  }
}
