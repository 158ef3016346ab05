import { formatWithOptions } from "node:util";
import type { Result } from "./host.js";
import type { LeasedBlock } from "./messages.js";
import type { Integer } from "./readers.js";

/** A region of interest, in world units: where it begins, and how far it goes, in each dimension. */
export interface Roi {
  readonly offset: readonly number[];
  readonly shape: readonly number[];
}

const ERROR_BYTES_MAX = 16 << 10;

/**
 * A block, which one lease hands out to this worker: the place to work on.
 *
 * It goes back by one of `release`, `answer`, `fail` and `giveBack`; after that, each of them does
 * nothing. Names are bigints, since they may be beyond 2^53.
 */
export class Block {
  /** The task that the block is one of. */
  readonly task: string;
  /** Names the block, together with the task; users see it. */
  readonly id: bigint;
  /** Row-major rank of the block in its task's grid. */
  readonly index: bigint;
  /** 1 for the first try. */
  readonly attempt: number;
  /** Names this hand-out. It only grows, so a storage may refuse what a lower one writes later. */
  readonly lease: bigint;
  /** What to read. */
  readonly read: Roi;
  /** What to write. */
  readonly write: Roi;

  #settle: ((result: Result) => void) | undefined;
  #abort: AbortController | undefined;
  #lost: string | undefined;

  /** @internal */
  constructor(task: string, block: LeasedBlock, settle: (result: Result) => void) {
    this.task = task;
    this.id = block.id;
    this.index = block.index;
    this.attempt = block.attempt;
    this.lease = block.lease;
    this.read = { offset: numbers(block.read.offset), shape: numbers(block.read.shape) };
    this.write = { offset: numbers(block.write.offset), shape: numbers(block.write.shape) };
    this.#settle = settle;
  }

  /**
   * Aborted when the block is no longer this worker's (the job was cancelled, the block timed out), or
   * when the worker is told by a signal to end. The work on it must stop. If it was lost and does not
   * stop before the lease would have ended, the process is killed.
   */
  get signal(): AbortSignal {
    if (!this.#abort) {
      this.#abort = new AbortController();
      if (this.#lost !== undefined) this.#abort.abort(new Error(this.#lost));
    }
    return this.#abort.signal;
  }

  /** Whether the block went back already. */
  get isReleased(): boolean {
    return this.#settle === undefined;
  }

  /** Hands the block in: it is done. */
  release(): void {
    this.#end({ lease: this.lease, status: "completed" });
  }

  /** Hands in what a checker has found: whether the block is done (`check`), or right (`post_check`). */
  answer(yes: boolean): void {
    this.#end({ lease: this.lease, status: yes ? "completed" : "failed" });
  }

  /** Hands the block in as failed. The broker keeps 16 KiB of the error's text. */
  fail(error: unknown): void {
    this.#end({ lease: this.lease, status: "failed", error: cut(textOf(error)) });
  }

  /** Hands the block back as it was: no attempt is counted. */
  giveBack(): void {
    this.#end({ lease: this.lease, status: "returned" });
  }

  /** @internal */
  abort(reason: string): void {
    this.#lost = reason;
    this.#abort?.abort(new Error(reason));
  }

  #end(result: Result): void {
    const settle = this.#settle;
    this.#settle = undefined;
    settle?.(result);
  }
}

/** Why JavaScript cannot work on a block; empty: it can. */
export function troubleOf(block: LeasedBlock): string {
  for (const roi of [block.read, block.write]) {
    const wide = [...roi.offset, ...roi.shape].find((one) => typeof one === "bigint");
    if (wide !== undefined) {
      return `a ROI of block ${block.id} has ${wide}: a worker in JavaScript can have up to 2^53-1`;
    }
  }
  return "";
}

function numbers(values: readonly Integer[]): number[] {
  return values.map(Number);
}

export function textOf(error: unknown): string {
  if (error instanceof Error) return error.stack ?? String(error);
  return typeof error === "string" ? error : formatWithOptions({ depth: 2 }, "%O", error);
}

/** A text that is too long loses its middle. */
function cut(text: string): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= ERROR_BYTES_MAX) return text;
  const mark = `\n... ${bytes.length} bytes in all, the middle is left out ...\n`;
  const part = Math.floor((ERROR_BYTES_MAX - mark.length) / 2);
  const from = (start: number, end: number) => bytes.toString("utf8", start, end);
  // A character that was cut in two would become the three bytes of U+FFFD.
  const head = from(0, part).replace(/\ufffd+$/, "");
  return head + mark + from(bytes.length - part, bytes.length).replace(/^\ufffd+/, "");
}
