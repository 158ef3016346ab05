package io.bellis;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What the environment and access files say. */
class SettingsTest {
  private static final String KEY = "0123456789012345678901234567890123456789";

  private static WorkerOptions options(String... pairs) {
    Map<String, String> variables = new HashMap<>();
    variables.put("BELLIS_ENDPOINT", "tcp://127.0.0.1:5555");
    for (int i = 0; i < pairs.length; i += 2) {
      variables.put(pairs[i], pairs[i + 1]);
    }
    return WorkerOptions.from(new Environment(variables));
  }

  private static String refusal(String... pairs) {
    return assertThrows(IllegalArgumentException.class, () -> options(pairs)).getMessage();
  }

  @Test
  void readsWhatALauncherSets() {
    WorkerOptions options =
        options(
            "BELLIS_WORKER_ID", "12",
            "BELLIS_JOB", "j-1",
            "BELLIS_TASK", "t",
            "BELLIS_TOKEN", "secret",
            "BELLIS_DUTY", "post_check",
            "BELLIS_HEARTBEAT_MS", "0",
            "BELLIS_PREFETCH", "7",
            "BELLIS_LOST_TIMEOUT", "1.5");
    assertEquals(12, options.worker);
    assertEquals("j-1", options.job);
    assertEquals("t", options.task);
    assertEquals("secret", options.access.token());
    assertEquals(Duty.POST_CHECK, options.duty);
    assertEquals(0, options.heartbeatMs);
    assertEquals(7, options.prefetch);
    assertEquals(1500, options.lostTimeoutMs);
  }

  @Test
  void whatIsEmptyCountsAsNotSet() {
    WorkerOptions options = options("BELLIS_WORKER_ID", "", "BELLIS_PREFETCH", "");
    assertEquals(0, options.worker);
    assertEquals(Demand.UNSAID, options.prefetch);
    assertEquals(WorkerOptions.ADAPTIVE, options("BELLIS_PREFETCH", "auto").prefetch);
    assertEquals(4000, options.heartbeatMs);
  }

  @Test
  void refusalsNameTheVariableTheValueAndWhatIsExpected() {
    assertEquals(
        "BELLIS_PREFETCH is 'many': expected a whole number from 0 to 1023",
        refusal("BELLIS_PREFETCH", "many"));
    assertEquals(
        "BELLIS_DUTY is 'play': expected work, check or post_check",
        refusal("BELLIS_DUTY", "play"));
    assertTrue(refusal("BELLIS_WORKER_ID", "-1").contains("0 to 9223372036854775807"));
    assertTrue(refusal("BELLIS_CONNECT_TIMEOUT", "0").contains("seconds, above 0"));
    assertTrue(refusal("BELLIS_ENDPOINT", "").contains("set BELLIS_ENDPOINT"));
    assertTrue(refusal("BELLIS_ENDPOINT", "tcp://host").contains("tcp://HOST:PORT"));
    assertTrue(refusal("BELLIS_ENDPOINT", "tcp://a:1;tcp://b:2").contains("tcp://HOST:PORT"));
    assertTrue(refusal("BELLIS_SERVER_KEY", KEY).contains("0 characters"));
  }

  @Test
  void ipcIsRefusedWithWhatToDoInstead() {
    String refusal = refusal("BELLIS_ENDPOINT", "ipc:///tmp/b.sock");
    assertTrue(refusal.startsWith("the endpoint is 'ipc:///tmp/b.sock', but JeroMQ"), refusal);
    assertTrue(refusal.contains("bellis run --bind tcp://127.0.0.1:0"), refusal);
  }

  @Test
  void readsAnAccessFileThatOthersCannotRead(@TempDir Path folder) throws IOException {
    Path file = folder.resolve("access");
    String text =
        "{\n  \"endpoint\": \"tcp://[::1]:7\", \"role\": \"owner\",\n"
            + " \"server_key\": \"%s\", \"public_key\": \"%s\", \"secret_key\": \"\\\"\\\\\\u0041%s\"\n}\n";
    Files.writeString(file, text.formatted(KEY, KEY, KEY.substring(3)));
    Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-r--r--"));
    IllegalArgumentException refusal =
        assertThrows(IllegalArgumentException.class, () -> Access.fromFile(file));
    assertTrue(refusal.getMessage().contains("mode 0600"), refusal.getMessage());
    Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-------"));
    Access access = Access.fromFile(file);
    assertEquals("tcp://[::1]:7", access.endpoint());
    assertEquals("\"\\A" + KEY.substring(3), access.secretKey());
    assertEquals("Access[tcp://[::1]:7]", access.toString());
  }
}
