import io.bellis.Worker;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/**
 * A worker that writes a line for each of its blocks into the file that its first argument names:
 * index, attempt, and where it writes. Its second argument is how many milliseconds a block takes.
 */
public final class Example {
  private Example() {}

  public static void main(String[] arguments) throws InterruptedException {
    Path file = Path.of(arguments.length > 0 ? arguments[0] : "blocks.txt");
    long pauseMs = arguments.length > 1 ? Long.parseLong(arguments[1]) : 0;
    try (Worker worker = Worker.fromEnvironment()) {
      long blocks =
          worker.work(
              block -> {
                Thread.sleep(pauseMs);
                String line =
                    "%d %d %s\n".formatted(block.index(), block.attempt(), block.write().offset());
                Files.writeString(file, line, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
              });
      System.out.println(blocks);
    }
  }
}
