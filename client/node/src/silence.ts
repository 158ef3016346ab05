/** The time is looked at so often at least; more than this between two looks: the process was stopped. */
export const LOOK_MS_MAX = 5000;
const STOPPED_MS = LOOK_MS_MAX + 2000;

/**
 * How long a broker has been silent, and what to do about it (TRANSPORT.md, "When the broker is
 * silent"): ask for a sign, then connect anew, and so on in turn.
 *
 * A process that was stopped, or a machine that slept, has heard nothing meanwhile: that is no silence.
 */
export class Silence {
  readonly #stepMs: number;
  #heard: number;
  #looked: number;
  #steps = 0;

  constructor(stepMs: number, now: number) {
    this.#stepMs = stepMs;
    this.#heard = this.#looked = now;
  }

  /** The broker was heard, or is asked for the first time. */
  end(now: number): void {
    this.#heard = now;
    this.#steps = 0;
  }

  /** Call it every `LOOK_MS_MAX` milliseconds or more often. */
  look(now: number): void {
    if (now - this.#looked > STOPPED_MS) this.#heard += now - this.#looked;
    this.#looked = now;
  }

  /** For how many milliseconds the broker was not heard. */
  lasts(now: number): number {
    return now - this.#heard;
  }

  /** What is due; it is due once. */
  next(now: number): "nothing" | "ask" | "reopen" {
    if (this.untilNext(now) > 0) return "nothing";
    this.#steps += 1;
    return this.#steps % 2 === 1 ? "ask" : "reopen";
  }

  untilNext(now: number): number {
    return this.#heard + (this.#steps + 1) * this.#stepMs - now;
  }
}
