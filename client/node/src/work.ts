import { type Block, textOf } from "./block.js";
import type { WorkerOptions } from "./settings.js";
import { Worker } from "./worker.js";

/** Works on a block. Of a checker, the value is its answer: true, the block is done, or right. */
export type BlockFunction = (block: Block) => unknown;

const SIGNALS = ["SIGINT", "SIGTERM"] as const;

/**
 * Calls `fn` with one block after the other until the broker has no more, and resolves to how many it
 * handed in.
 *
 * If `fn` throws (or rejects), the error is printed, the block fails with its text, and the loop goes
 * on: the broker tries the block again, a few times. SIGINT and SIGTERM end the loop: `block.signal` is
 * aborted, and a block whose `fn` throws then goes back as it was. A function that computes without
 * `await` is not interrupted: the signal is heard when it returns.
 *
 * Rejects with a BrokerError as `Worker.connect` and `acquire` do.
 */
export async function work(fn: BlockFunction, options: WorkerOptions = {}): Promise<number> {
  const worker = await Worker.connect(options);
  worker.loop();
  let isStopped = false;
  const stop = (signal: NodeJS.Signals) => {
    isStopped = true;
    worker.stop(signal);
  };
  for (const signal of SIGNALS) process.once(signal, stop);
  try {
    let blocks = 0;
    for (;;) {
      const block = await worker.acquire();
      if (!block) return blocks;
      if (await workOn(block, fn, worker.duty !== "work", () => isStopped)) blocks += 1;
    }
  } finally {
    for (const signal of SIGNALS) process.off(signal, stop);
    await worker.close();
  }
}

/** Returns whether the block was handed in, not given back. */
async function workOn(
  block: Block,
  fn: BlockFunction,
  isChecker: boolean,
  isStopped: () => boolean,
): Promise<boolean> {
  try {
    // A function that returns no promise costs no turn of the event loop.
    const value = fn(block);
    const found = isPromise(value) ? await value : value;
    if (isChecker) block.answer(Boolean(found));
    else block.release();
  } catch (error) {
    if (isStopped()) {
      block.giveBack();
      return false;
    }
    console.error(`bellis: block ${block.id} of ${block.task} failed: ${textOf(error)}`);
    block.fail(error);
  }
  return true;
}

function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as PromiseLike<unknown> | null | undefined)?.then === "function";
}
