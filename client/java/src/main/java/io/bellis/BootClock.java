package io.bellis;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * The clock that leases go by, in nanoseconds from some beginning. It goes on while the machine
 * sleeps, as CLOCK_BOOTTIME does, which Java does not have: System.nanoTime() stands still then,
 * and the difference is looked up in /proc/uptime, at most every 50 ms. Where there is no
 * /proc/uptime, time in which the machine sleeps is not seen.
 */
final class BootClock {
  static final long MS = 1_000_000;

  private static final Path UPTIME = Path.of("/proc/uptime");
  private static final long LOOK_EVERY = 50 * MS;

  private long looked;
  private long sleptFor;
  private final long offset;

  BootClock() {
    looked = System.nanoTime();
    offset = uptime() - looked;
  }

  synchronized long now() {
    long awake = System.nanoTime();
    if (awake - looked > LOOK_EVERY) {
      looked = awake;
      long ahead = uptime() - awake - offset;
      // /proc/uptime counts hundredths of a second.
      if (ahead > sleptFor + LOOK_EVERY) {
        sleptFor = ahead;
      }
    }
    return awake + sleptFor;
  }

  private static long uptime() {
    try {
      String text = Files.readString(UPTIME);
      return (long) (Double.parseDouble(text.substring(0, text.indexOf(' '))) * 1e9);
    } catch (IOException | RuntimeException unreadable) {
      return Long.MIN_VALUE / 2;
    }
  }
}
