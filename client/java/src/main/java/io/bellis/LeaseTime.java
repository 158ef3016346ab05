package io.bellis;

import java.util.HashMap;
import java.util.Map;

/**
 * Until when a worker's leases surely last (WORKERS.md, "Leases end"): the time at which the last
 * ping that was answered was sent, and a lease, less a margin. A hello counts as a ping.
 *
 * <p>The fence reads it without a lock.
 */
final class LeaseTime {
  private record Ping(long sent, long leaseMs) {}

  private final Map<Long, Ping> pings = new HashMap<>();
  private long nonce;
  private boolean helloIsOut;
  private boolean isLate;
  private long helloSent;
  private long leaseMs;
  private long heartbeat;
  private long nextPing = Long.MAX_VALUE;
  private volatile long deadline = Long.MIN_VALUE;
  private volatile boolean isGuarded;
  private volatile long margin;

  /** Of a lease: for clocks that do not run alike, and for the time that it takes to be killed. */
  static long marginMs(long leaseMs) {
    return leaseMs / 100 + Math.min(500, leaseMs / 10);
  }

  // ---- for the fence ----

  /** A block is worked on, and its lease is over: the process is to end. */
  boolean mustEnd(long now) {
    return isGuarded && now >= deadline;
  }

  /** In nanoseconds; 0: leases do not end. */
  long margin() {
    return margin;
  }

  // ---- for the session ----

  /** Whether leases end by themselves. */
  boolean ends() {
    return leaseMs > 0;
  }

  boolean hasEnded(long now) {
    return ends() && now >= deadline;
  }

  /**
   * The hello was answered so late that what it promised is over. Only a ping says whether this
   * worker has leases, so it begins nothing before the pong.
   */
  boolean isLate() {
    return isLate;
  }

  void guard(boolean isWorking) {
    isGuarded = isWorking && ends();
  }

  void helloIsSent(long now) {
    isLate = false;
    pings.clear();
    if (!helloIsOut) {
      helloIsOut = true;
      helloSent = now;
    }
  }

  /** The next hello is another worker's. */
  void forgetHello() {
    helloIsOut = false;
  }

  void welcome(long newLeaseMs, long heartbeatMs, boolean extendsLeases, long now) {
    helloIsOut = false;
    leaseMs = newLeaseMs;
    heartbeat = Math.max(1, heartbeatMs) * BootClock.MS;
    nextPing = ends() ? now + heartbeat : Long.MAX_VALUE;
    margin = marginMs(leaseMs) * BootClock.MS;
    if (extendsLeases) {
      extend(new Ping(helloSent, leaseMs));
    }
    isLate = hasEnded(now);
  }

  /** The nonce of a ping that is sent now. */
  long ping(long now) {
    nextPing = ends() ? now + heartbeat : Long.MAX_VALUE;
    pings.put(++nonce, new Ping(now, leaseMs));
    return nonce;
  }

  void pong(long answered, boolean extendsLeases) {
    Ping ping = pings.remove(answered);
    if (ping != null && extendsLeases) {
      extend(ping);
      isLate = false;
    }
  }

  long nextPing() {
    return nextPing;
  }

  /** How often a hello is said: where leases end, nobody may wait for one that is lost. */
  long helloEvery() {
    return ends()
        ? Math.min(Conversation.SILENCE, Math.max(heartbeat, Conversation.SECOND / 4))
        : Conversation.SILENCE;
  }

  private void extend(Ping ping) {
    if (ping.leaseMs() > 0) {
      long end = ping.sent() + (ping.leaseMs() - marginMs(ping.leaseMs())) * BootClock.MS;
      deadline = Math.max(deadline, end);
    }
  }
}
