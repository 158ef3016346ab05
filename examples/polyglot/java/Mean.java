import io.bellis.Roi;
import io.bellis.Worker;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;

public final class Mean {
  private static final long[] SHAPE =
      Arrays.stream(System.getenv("POLYGLOT_SHAPE").split(" ")).mapToLong(Long::parseLong).toArray();

  private static long place(long x, long y, long z) {
    return (x * SHAPE[1] + y) * SHAPE[2] + z;
  }

  private static byte[] read(FileChannel scan, int bytes, long place) throws IOException {
    ByteBuffer row = ByteBuffer.allocate(bytes);
    while (row.hasRemaining()) {
      if (scan.read(row, place + row.position()) < 0) {
        throw new IOException("the scan ends at " + (place + row.position()));
      }
    }
    return row.array();
  }

  public static void main(String[] arguments) throws IOException, InterruptedException {
    try (Worker worker = Worker.fromEnvironment();
        FileChannel scan = FileChannel.open(Path.of(System.getenv("POLYGLOT_INPUT")));
        FileChannel mean =
            FileChannel.open(Path.of(System.getenv("POLYGLOT_OUTPUT")), StandardOpenOption.WRITE)) {
      worker.work(
          block -> {
            Roi roi = block.write();
            int width = (int) roi.shape(2);
            for (long x = roi.offset(0); x < roi.end(0); ++x) {
              for (long y = roi.offset(1); y < roi.end(1); ++y) {
                int[] columns = new int[width + 2];
                for (int near = 0; near < 9; ++near) {
                  long at = place(x + near / 3 - 1, y + near % 3 - 1, roi.offset(2) - 1);
                  byte[] row = read(scan, width + 2, at);
                  for (int z = 0; z < row.length; ++z) {
                    columns[z] += Byte.toUnsignedInt(row[z]);
                  }
                }
                ByteBuffer means = ByteBuffer.allocate(width);
                for (int z = 0; z < width; ++z) {
                  means.put((byte) ((columns[z] + columns[z + 1] + columns[z + 2] + 13) / 27));
                }
                for (means.flip(); means.hasRemaining(); ) {
                  mean.write(means, place(x, y, roi.offset(2)) + means.position());
                }
              }
            }
          });
    }
  }
}
