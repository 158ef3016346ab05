import { Worker as Thread } from "node:worker_threads";
import { Block, troubleOf } from "./block.js";
import { BrokerError } from "./errors.js";
import type { Result } from "./host.js";
import type { Fields, LeasedBlock } from "./messages.js";
import { type Duty, type WorkerOptions, type WorkerSettings, workerSettings } from "./settings.js";
import { takePlace } from "./work_page.js";
import type { FromThread, ThreadData, ToThread } from "./worker_thread.js";

interface Waiter {
  resolve(block: Block | undefined): void;
  reject(error: Error): void;
}

/**
 * A worker of a broker: it takes the blocks of one task, one after the other.
 *
 *     const worker = await Worker.connect();
 *     for (;;) {
 *       const block = await worker.acquire();
 *       if (!block) break;
 *       try {
 *         await smooth(block.read, block.write);
 *         block.release();
 *       } catch (error) {
 *         block.fail(error);
 *       }
 *     }
 *     await worker.close();
 *
 * `work` does the same in one call. A thread of its own sends heartbeats. If they are not answered, and
 * a block is in hand, the process and all that it has started are killed before the lease ends: the
 * broker then gives the block to another worker. A worker outlives broken connections and a broker that
 * is started again.
 */
export class Worker {
  readonly #thread: Thread;
  readonly #gone: Promise<void>;
  #begun = () => {};
  #welcome: Fields<"welcome"> | undefined;
  #block: Block | undefined;
  #isLooped = false; // a block that goes back is followed by `acquire` at once
  #result: Result | undefined; // then: the last block's, which `acquire` hands in
  #waiter: Waiter | undefined;
  #end: { error?: BrokerError } | undefined;
  #isClosed = false;

  /**
   * Connects to the broker, and is taken on. Rejects with a BrokerError: `environment` for a setting
   * that is wrong, `no_broker` if none answers, or the broker's code if it refuses this worker.
   */
  static async connect(options: WorkerOptions = {}): Promise<Worker> {
    return Worker.#start(workerSettings(options));
  }

  static async #start(settings: WorkerSettings): Promise<Worker> {
    const data: ThreadData = { settings, place: takePlace(settings.workPage) };
    const thread = new Thread(new URL("./worker_thread.js", import.meta.url), {
      workerData: data,
      execArgv: [], // those of the program, such as --input-type, are not meant for it
    });
    const gone = new Promise<void>((resolve) => thread.once("exit", () => resolve()));
    const worker = new Worker(thread, gone);
    await new Promise<void>((resolve) => {
      worker.#begun = resolve;
    });
    thread.unref();
    worker.#over();
    return worker;
  }

  private constructor(thread: Thread, gone: Promise<void>) {
    this.#thread = thread;
    this.#gone = gone;
    thread.on("message", (message: FromThread) => this.#take(message));
    thread.on("error", (error) => this.#finish(new BrokerError("closed", String(error))));
    thread.on("exit", () => this.#finish(undefined));
  }

  /** The worker's number. */
  get id(): bigint {
    return this.#welcome?.worker ?? 0n;
  }

  /** The id of the job. */
  get job(): string {
    return this.#welcome?.job ?? "";
  }

  get task(): string {
    return this.#welcome?.task ?? "";
  }

  get duty(): Duty {
    return (this.#welcome?.duty ?? "work") as Duty;
  }

  /** Its place among the workers of its task, from 0. No other has it at the same time. */
  get slot(): number {
    return this.#welcome?.slot ?? 0;
  }

  /**
   * The next block; undefined when there are no more. Waits for the broker as long as it takes.
   *
   * The block before must have gone back. Rejects with a BrokerError if the broker refuses this worker,
   * or is silent for too long (`no_broker`).
   */
  async acquire(): Promise<Block | undefined> {
    if (this.#waiter || (this.#block && !this.#block.isReleased)) {
      throw new Error("acquire() was called while a block is in hand: release it first");
    }
    const result = this.#result;
    this.#result = undefined;
    if (result) this.#tell({ what: "done", result, next: !this.#end });
    if (this.#end) return this.#over();
    if (this.#isClosed) throw new BrokerError("closed", "this worker was closed");
    if (!result) this.#tell({ what: "next" });
    this.#thread.ref();
    return new Promise((resolve, reject) => {
      this.#waiter = { resolve, reject };
    });
  }

  /**
   * Hands back a block that is in hand, says bye and disconnects. Does nothing the second time. Resolves
   * when the last messages have left the process, or after a few seconds.
   */
  async close(): Promise<void> {
    if (!this.#isClosed) {
      this.#isClosed = true;
      this.#block?.giveBack();
      if (this.#result) this.#tell({ what: "done", result: this.#result, next: false });
      this.#tell({ what: "stop", reason: "the worker was closed" });
    }
    this.#thread.ref();
    const timer = setTimeout(() => void this.#thread.terminate(), 5000);
    await this.#gone;
    clearTimeout(timer);
  }

  /** @internal From now on a result waits for `acquire`: one message does for both. */
  loop(): void {
    this.#isLooped = true;
  }

  /** @internal Asks for nothing more: a block in hand may be finished, `acquire` then finds none. */
  stop(reason: string): void {
    this.#tell({ what: "stop", reason });
    this.#block?.abort(reason);
  }

  #settle(result: Result): void {
    if (this.#isLooped) this.#result = result;
    else this.#tell({ what: "done", result, next: false });
  }

  #over(): undefined {
    if (this.#end?.error) throw this.#end.error;
    return undefined;
  }

  #take(message: FromThread): void {
    if (message.what === "block") this.#hand(message.block);
    else if (message.what === "lost") this.#lose(message.lease, message.reason);
    else if (message.what === "welcomed") this.#greet(message.welcome);
    else if (message.what === "ended") this.#finish(errorOf(message));
    else process.emitWarning(message.text, "BellisWarning");
  }

  #greet(welcome: Fields<"welcome">): void {
    this.#welcome = welcome;
    this.#begun();
  }

  #hand(leased: LeasedBlock): void {
    const waiter = this.#waiter;
    const trouble = troubleOf(leased);
    if (trouble || !waiter) {
      const result: Result = { lease: leased.lease, status: trouble ? "failed" : "returned" };
      if (trouble) result.error = trouble;
      this.#tell({ what: "done", result, next: waiter !== undefined });
      return;
    }
    this.#waiter = undefined;
    this.#thread.unref();
    this.#block = new Block(this.task, leased, (result) => this.#settle(result));
    waiter.resolve(this.#block);
  }

  #lose(lease: bigint, reason: string): void {
    if (this.#block?.lease === lease) this.#block.abort(reason);
  }

  #finish(error: BrokerError | undefined): void {
    this.#end ??= error ? { error } : {};
    this.#thread.unref();
    this.#begun();
    const waiter = this.#waiter;
    this.#waiter = undefined;
    if (error) waiter?.reject(error);
    else waiter?.resolve(undefined);
  }

  #tell(message: ToThread): void {
    this.#thread.postMessage(message);
  }
}

function errorOf(message: { reason: string; error?: { code: string; message: string } }) {
  return message.error && new BrokerError(message.error.code, message.error.message);
}
