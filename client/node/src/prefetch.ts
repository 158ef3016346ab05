const AHEAD_MAX = 127;
const AHEAD_MS = 1;

/**
 * How many blocks a worker asks for in advance (WORKERS.md, "Blocks in advance"): as its user says, else
 * as the broker says of the task, else `auto`.
 *
 * `auto` begins with none, and asks for twice as many after each block, as long as they take about a
 * millisecond: a block that waits behind another is one that no other worker gets.
 */
export class Prefetch {
  readonly #isOpen: boolean; // the user says nothing
  #isAuto: boolean;
  #ahead: number;
  #meanMs: number | undefined;

  constructor(setting: number | "auto" | undefined) {
    this.#isOpen = setting === undefined;
    this.#isAuto = typeof setting !== "number";
    this.#ahead = typeof setting === "number" ? setting : 0;
  }

  get ahead(): number {
    return this.#ahead;
  }

  /** Whether blocks that wait behind a slow one are to go back. */
  get isAuto(): boolean {
    return this.#isAuto;
  }

  /** What a welcome says of the task. */
  welcome(ofTask: number | undefined): void {
    if (!this.#isOpen) return;
    if (ofTask !== undefined) this.#ahead = ofTask;
    this.#isAuto = ofTask === undefined;
  }

  /** A block took this many milliseconds. */
  took(ms: number): void {
    if (!this.#isAuto) return;
    this.#meanMs = this.#meanMs === undefined ? ms : this.#meanMs + (ms - this.#meanMs) / 4;
    const fit = Math.floor(AHEAD_MS / Math.max(this.#meanMs, AHEAD_MS / AHEAD_MAX));
    this.#ahead = Math.min(2 * this.#ahead + 1, fit, AHEAD_MAX);
  }

  /** A block takes long, or the broker says that this is too much. */
  stop(): void {
    this.#ahead = 0;
    this.#meanMs = undefined;
  }
}
