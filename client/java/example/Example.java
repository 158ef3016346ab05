import io.bellis.Block;
import io.bellis.Worker;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/**
 * A worker that writes a line for each of its blocks into the file that its first argument names:
 * index, attempt, and where it writes. BELLIS_CONFORMANCE_MS and BELLIS_CONFORMANCE_ERROR_BYTES are
 * what `bellis conformance` sets: how long a block takes, and how it fails.
 */
public final class Example {
  private static final long PAUSE_MS = number("BELLIS_CONFORMANCE_MS");
  private static final int ERROR_BYTES = (int) number("BELLIS_CONFORMANCE_ERROR_BYTES");

  private Example() {}

  public static void main(String[] arguments) throws InterruptedException {
    Path file = Path.of(arguments.length > 0 ? arguments[0] : "blocks.txt");
    try (Worker worker = Worker.fromEnvironment()) {
      long blocks = worker.work(block -> write(block, file));
      System.out.println(blocks);
    }
  }

  private static void write(Block block, Path file) throws IOException, InterruptedException {
    Thread.sleep(PAUSE_MS);
    if (ERROR_BYTES > 0) {
      throw new IOException("x".repeat(ERROR_BYTES));
    }
    String line = "%d %d %s\n".formatted(block.index(), block.attempt(), block.write().offset());
    Files.writeString(file, line, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
  }

  private static long number(String name) {
    String value = System.getenv(name);
    return value == null || value.isEmpty() ? 0 : Long.parseLong(value);
  }
}
