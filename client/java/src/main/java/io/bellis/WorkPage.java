package io.bellis;

import java.io.IOException;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A page that the launcher shares with a worker:
 *
 * <pre>
 *     0   "BELLISWP"
 *     8   key
 *    16   worker, lease    of one connection; worker 0: a free place
 *    32   ...
 * </pre>
 */
final class WorkPage implements WorkNote {
  private static final int BYTES = 4096;
  private static final int FIRST = 16;
  private static final int PLACE = 16;
  private static final Pattern NAME = Pattern.compile("(.+):(\\d+):(\\d+)", Pattern.DOTALL);
  private static final VarHandle WORD =
      MethodHandles.byteBufferViewVarHandle(long[].class, ByteOrder.nativeOrder());

  private final ByteBuffer page;
  private final int place;

  private WorkPage(ByteBuffer page, int place) {
    this.page = page;
    this.place = place;
  }

  /**
   * Takes a place in the page that BELLIS_WORK_PAGE names. Where that cannot be, as on another
   * machine than the launcher's, nothing is noted.
   */
  static WorkNote claim(String name, long worker) {
    Matcher parts = NAME.matcher(name);
    try {
      if (parts.matches()) {
        Path file = Path.of(parts.group(1));
        String target = Files.readSymbolicLink(file).toString();
        if (target.startsWith("/memfd:bellis-work")) {
          long offset = Long.parseLong(parts.group(2));
          return claim(file, offset, Long.parseUnsignedLong(parts.group(3)), worker);
        }
      }
    } catch (IOException | RuntimeException unusable) {
      // A worker that notes nothing works as well.
    }
    return NOWHERE;
  }

  static WorkNote claim(Path file, long offset, long key, long worker) throws IOException {
    try (FileChannel channel =
            FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE);
        FileLock lock = channel.lock(offset, BYTES, false)) {
      ByteBuffer page = channel.map(FileChannel.MapMode.READ_WRITE, offset, BYTES);
      byte[] magic = new byte[8];
      page.get(0, magic);
      boolean isOurs = Arrays.equals(magic, "BELLISWP".getBytes(StandardCharsets.US_ASCII));
      if (lock.isValid() && isOurs && (long) WORD.getVolatile(page, 8) == key) {
        for (int place = FIRST; place < BYTES; place += PLACE) {
          if ((long) WORD.getVolatile(page, place) == 0) {
            WORD.setVolatile(page, place + 8, 0L);
            WORD.setVolatile(page, place, worker);
            return new WorkPage(page, place);
          }
        }
      }
    }
    return NOWHERE;
  }

  @Override
  public void set(long worker, long lease) {
    WORD.setVolatile(page, place + 8, lease);
    WORD.setVolatile(page, place, worker);
  }

  @Override
  public void erase() {
    WORD.setVolatile(page, place + 8, 0L);
    WORD.setVolatile(page, place, 0L);
  }
}
