package io.bellis;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Workers with a real socket, and threads. */
@Timeout(60)
class WorkerTest {
  private static final Runnable NO_KILL = () -> {};

  private final FakeBroker broker = new FakeBroker();
  private final ExecutorService user = Executors.newSingleThreadExecutor();

  @AfterEach
  void close() {
    user.shutdownNow();
    broker.close();
  }

  private WorkerOptions options() {
    return WorkerOptions.of(broker.access()).heartbeatMs(0).prefetch(0);
  }

  private Future<Long> working(WorkerOptions options, Runnable kill, BlockFunction function) {
    return inBackground(
        () -> {
          try (Worker worker = new Worker(options, kill)) {
            return worker.work(function);
          }
        });
  }

  private <T> Future<T> inBackground(Callable<T> call) {
    return user.submit(call);
  }

  @Test
  void worksUntilItIsToldToLeave() throws Exception {
    Future<Long> blocks =
        working(
            options().workFor("j-1", "t"),
            NO_KILL,
            block -> {
              if (block.lease() == 2) {
                throw new IllegalStateException("no signal \ud800 here");
              }
            });
    String hello = broker.welcome();
    assertTrue(hello.contains("\"token\":\"secret\",\"job\":\"j-1\",\"task\":\"t\""), hello);
    assertTrue(hello.contains("\"language\":\"java\""), hello);
    assertEquals("[\"acquire\",{\"want\":1}]", broker.receive());
    broker.work(1);
    assertEquals(
        "[\"release\",{\"results\":[{\"lease\":1,\"status\":\"completed\"}],\"want\":1}]",
        broker.receive());
    broker.work(2);
    String failed = broker.receive();
    assertTrue(failed.contains("\"status\":\"failed\""), failed);
    assertTrue(failed.contains("java.lang.IllegalStateException: no signal ? here"), failed);
    broker.send("leave", Map.of("reason", "the task is done"));
    assertEquals("[\"bye\",{\"reason\":\"the task is done\"}]", broker.receive());
    assertEquals(2, blocks.get());
  }

  @Test
  void aLoopOfItsOwnHandsInAtTheEndOfTheScope() throws Exception {
    Future<String> reason =
        inBackground(
            () -> {
              try (Worker worker = new Worker(options())) {
                try (LeasedBlock leased = worker.acquire().orElseThrow()) {
                  leased.fail("dark");
                }
                try (LeasedBlock leased = worker.acquire().orElseThrow()) {
                  leased.giveBack();
                }
                assertTrue(worker.acquire().isEmpty());
                assertEquals(7, worker.id());
                assertEquals(3, worker.slot());
                return worker.leaveReason();
              }
            });
    broker.welcome("slot", 3);
    broker.receive("acquire");
    broker.work(1);
    assertEquals(
        "[\"release\",{\"results\":[{\"lease\":1,\"status\":\"failed\",\"error\":\"dark\"}],\"want\":0}]",
        broker.receive());
    broker.receive("acquire");
    broker.work(2);
    assertEquals(
        "[\"release\",{\"results\":[{\"lease\":2,\"status\":\"returned\"}],\"want\":0}]",
        broker.receive());
    broker.receive("acquire");
    broker.send("drain", Map.of("reason", "enough"));
    broker.receive("bye");
    assertEquals("enough", reason.get());
  }

  @Test
  void aBlockThatIsTakenAwayIsInterruptedAndTheThreadIsFreeAfterwards() throws Exception {
    CountDownLatch never = new CountDownLatch(1);
    CountDownLatch started = new CountDownLatch(1);
    List<Long> interrupted = new ArrayList<>();
    Future<Long> blocks =
        working(
            options(),
            NO_KILL,
            block -> {
              if (block.lease() == 1) {
                interrupted.add(block.lease());
                started.countDown();
                never.await();
              }
            });
    broker.welcome();
    broker.receive("acquire");
    broker.work(1);
    started.await();
    broker.send("error", Map.of("code", "hello_first", "message", "who are you?"));
    String hello = broker.welcome("held", List.of());
    assertTrue(hello.contains("\"greeting\":2"), hello);
    assertTrue(hello.contains("\"held\":[{\"lease\":1,"), hello);
    assertEquals("[\"acquire\",{\"want\":1}]", broker.receive());
    broker.work(2);
    broker.receive("release");
    broker.send("leave", Map.of("reason", ""));
    broker.receive("bye");
    assertEquals(2, blocks.get());
    assertEquals(List.of(1L), interrupted);
  }

  @Test
  void aWorkerWhoseLeasesEndWhileItWorksIsKilled() throws Exception {
    CountDownLatch killed = new CountDownLatch(1);
    Future<Long> blocks =
        working(options().heartbeatMs(50), killed::countDown, block -> killed.await());
    long lease = 0;
    while (killed.getCount() > 0) { // It gets no answer to its pings.
      String message = broker.receive();
      if (message.startsWith("[\"hello\"")) {
        broker.answerHello("lease_ms", 200, "heartbeat_ms", 50);
      } else if (message.contains("\"want\":1")) {
        broker.work(++lease);
      }
    }
    broker.send("leave", Map.of("reason", ""));
    broker.receive("bye");
    assertTrue(blocks.get() >= 1);
  }

  @Test
  void aWorkerThatComputesKeepsItsLeasesByPings() throws Exception {
    CountDownLatch enough = new CountDownLatch(1);
    Future<Long> blocks =
        working(
            options().heartbeatMs(300),
            () -> {
              throw new AssertionError("killed");
            },
            block -> enough.await());
    broker.welcome("lease_ms", 60_000, "heartbeat_ms", 50);
    broker.receive("acquire");
    broker.work(1);
    for (int nonce = 1; nonce <= 3; ++nonce) {
      assertEquals("[\"ping\",{\"nonce\":%d}]".formatted(nonce), broker.receive());
      broker.send("pong", Map.of("nonce", nonce));
    }
    enough.countDown();
    broker.receive("release");
    broker.send("leave", Map.of("reason", ""));
    broker.receive("bye");
    assertEquals(1, blocks.get());
  }

  @Test
  void resultsOfADurableBrokerAreHandedInAgainAfterARestart() throws Exception {
    List<Long> committed = new ArrayList<>();
    Future<Long> blocks =
        working(options().heartbeatMs(50).onCommitted(committed::addAll), NO_KILL, block -> {});
    broker.welcome("durable", true, "lease_ms", 60_000, "heartbeat_ms", 50);
    broker.receive("acquire");
    broker.work(1);
    broker.receive("release");
    String endpoint = broker.access().endpoint();
    broker.close();
    try (FakeBroker next = new FakeBroker(endpoint)) {
      String hello = greetedAgain(next);
      assertTrue(hello.contains("\"held\":[{\"lease\":1,"), hello);
      assertEquals(
          "[\"release\",{\"results\":[{\"lease\":1,\"status\":\"completed\"}],\"want\":1}]",
          next.receive("release"));
      next.send("committed", Map.of("leases", List.of(1)));
      next.work(2);
      next.receive("release");
      next.send("leave", Map.of("reason", ""));
      next.receive("bye");
    }
    assertEquals(2, blocks.get());
    assertEquals(List.of(1L), committed);
  }

  /** A restarted broker refuses what it hears before a hello: here a ping. */
  private static String greetedAgain(FakeBroker next) {
    next.receive("ping");
    next.send("error", Map.of("code", "hello_first"));
    return next.welcome("durable", true, "held", List.of(1));
  }

  @Test
  void aCheckerAnswersByWhatItsFunctionReturns() throws Exception {
    Future<Long> blocks =
        inBackground(
            () -> {
              try (Worker worker = new Worker(options().duty(Duty.CHECK))) {
                assertThrows(IllegalStateException.class, () -> worker.work(block -> {}));
                return worker.check(block -> block.lease() == 1);
              }
            });
    assertTrue(broker.welcome("duty", "check").contains("\"duty\":\"check\""));
    broker.receive("acquire");
    broker.work(1);
    assertTrue(broker.receive().contains("\"lease\":1,\"status\":\"completed\""));
    broker.work(2);
    assertTrue(broker.receive().contains("\"lease\":2,\"status\":\"failed\"}"));
    broker.send("leave", Map.of("reason", ""));
    broker.receive("bye");
    assertEquals(2, blocks.get());
  }

  @Test
  void aRefusalIsTheBrokersWord() {
    Future<Long> blocks = working(options(), NO_KILL, block -> {});
    broker.receive("hello");
    broker.send("error", Map.of("code", "unknown_job", "message", "no job 'x'"));
    ExecutionException thrown = assertThrows(ExecutionException.class, blocks::get);
    BrokerException error = (BrokerException) thrown.getCause();
    assertEquals("unknown_job", error.code());
    assertEquals("no job 'x'", error.getMessage());
  }

  @Test
  void blocksThatTakeNoTimeAreAskedForInAdvance() throws Exception {
    Future<Long> blocks =
        working(options().prefetch(WorkerOptions.BLOCKS_MAX - 1), NO_KILL, block -> {});
    broker.welcome();
    assertEquals("[\"acquire\",{\"want\":1024}]", broker.receive());
    broker.send("leave", Map.of("reason", ""));
    broker.receive("bye");
    assertEquals(0, blocks.get());
  }

  /** JeroMQ leaves about one connection in a hundred mute, unless it is nudged. */
  @Test
  void everyWorkerIsHeard() throws Exception {
    for (int i = 0; i < 60; ++i) {
      Future<Long> blocks = working(options().connectTimeoutMs(30_000), NO_KILL, block -> {});
      broker.welcome();
      broker.receive("acquire");
      broker.send("leave", Map.of("reason", ""));
      broker.receive("bye");
      assertEquals(0, blocks.get());
    }
  }
}
