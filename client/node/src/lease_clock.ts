import { BOOT_TIME_STEP_MS } from "./machine.js";

const PINGS_KEPT = 64;
const MARGIN_MS = 500;

/**
 * Until when leases surely last, and when the next ping is due (WORKERS.md, "Leases end").
 *
 * Times are milliseconds of a clock that does not stand still while the machine sleeps. A ping that was
 * sent at t, and was answered, keeps the leases until t + lease_ms, less a margin.
 */
export class LeaseClock {
  /** The leases end then; Infinity: not by themselves. */
  deadline = Number.POSITIVE_INFINITY;
  /** The next ping is due then. */
  nextBeat = Number.POSITIVE_INFINITY;
  #leaseMs = 0;
  #beatMs = 0;
  #nonce = 0;
  readonly #sentAt = new Map<number, number>();

  /** Takes the terms of a welcome, which answers a hello that was sent at `asked`. */
  welcome(leaseMs: number, heartbeatMs: number, asked: number, now: number): void {
    this.#leaseMs = leaseMs;
    this.#beatMs = Math.max(1, heartbeatMs);
    if (leaseMs === 0) {
      this.deadline = this.nextBeat = Number.POSITIVE_INFINITY;
      return;
    }
    if (this.deadline === Number.POSITIVE_INFINITY) this.deadline = 0;
    this.#extend(asked);
    this.nextBeat = now + (now < this.deadline ? this.#beatMs : 0);
  }

  /** A hello was sent: pings from before it promise nothing, and none is sent before the welcome. */
  hello(): void {
    this.#sentAt.clear();
    this.nextBeat = Number.POSITIVE_INFINITY;
  }

  /** Another worker begins: nothing that was promised is its own. */
  reset(): void {
    this.hello();
    this.deadline = Number.POSITIVE_INFINITY;
  }

  /** The nonce of a ping that is sent now. */
  ping(now: number): number {
    this.#nonce += 1;
    this.#sentAt.set(this.#nonce, now);
    this.#sentAt.delete(this.#nonce - PINGS_KEPT);
    if (this.nextBeat !== Number.POSITIVE_INFINITY) this.nextBeat = now + this.#beatMs;
    return this.#nonce;
  }

  pong(nonce: number): void {
    const sent = this.#sentAt.get(nonce);
    this.#sentAt.delete(nonce);
    if (sent !== undefined && this.#leaseMs > 0) this.#extend(sent);
  }

  #extend(sent: number): void {
    const lease = this.#leaseMs;
    const margin = lease / 100 + Math.min(MARGIN_MS, lease / 10) + BOOT_TIME_STEP_MS;
    this.deadline = Math.max(this.deadline, sent + lease - margin);
  }
}
