import { hostname, userInfo } from "node:os";
import { ClientSession } from "./client_session.js";
import type { BrokerError } from "./errors.js";
import type { Message } from "./messages.js";
import { type ConnectOptions, connectMs, controlAccess } from "./settings.js";
import type { Explanation, Job, JobStatus, Submitted } from "./status.js";

export interface ControlOptions extends ConnectOptions {
  /** Seconds to wait for an answer of a silent broker; 30 by default. */
  timeout?: number;
}

/**
 * A client of the broker: it submits, watches and steers jobs.
 *
 *     const control = await Control.connect();
 *     const { job } = await control.submit({ name: "smooth", tasks: [...] });
 *     for await (const status of control.watch(job)) console.log(status.state);
 *     await control.close();
 *
 * A job is named by its id, or by its name, which means the one that runs, or else the newest. Every
 * method rejects with a BrokerError: with the broker's code and sentence if it refuses, or `no_broker`
 * if it is silent. Then the request may or may not have been carried out. Without settings it looks for
 * a broker of this user. Until `close` it keeps the process running.
 */
export class Control {
  readonly #session: ClientSession;

  static async connect(options: ControlOptions = {}): Promise<Control> {
    const timeoutMs = 1000 * (options.timeout ?? 30);
    const session = new ClientSession(controlAccess(options), connectMs(options), timeoutMs);
    try {
      await session.greet();
    } catch (error) {
      await session.close();
      throw error;
    }
    return new Control(session);
  }

  private constructor(session: ClientSession) {
    this.#session = session;
  }

  /** The broker's program and version. */
  get broker(): string {
    return this.#session.broker;
  }

  /**
   * Submits a job. A broker with a state directory goes on with a job of the same name, or refuses the
   * submit (`different_layout`). `fresh` forgets what is stored; `same_programs` refuses to go on if the
   * programs are others.
   */
  async submit(
    job: Job,
    options: { fresh?: boolean; same_programs?: boolean } = {},
  ): Promise<Submitted> {
    const origin = { user: userInfo().username, host: hostname() };
    const fields = { ...options, job: { origin, ...job } };
    const {
      job: id,
      resumed,
      done,
      run,
    } = await this.#session.request("submitted", "submit", fields);
    return { job: id, resumed, done, run };
  }

  /** The status of that job, or of all jobs. */
  async status(job = ""): Promise<JobStatus[]> {
    return (await this.#session.request("jobs", "status", { job })).jobs;
  }

  /**
   * The status of a job whenever it has changed, at most every `interval_ms` (20 to 60000), until its
   * end. The last one is the final status. A reader that is slower than that gets the newest.
   */
  async *watch(job: string, interval_ms = 200): AsyncGenerator<JobStatus, void, void> {
    let newest: JobStatus | undefined;
    let error: BrokerError | undefined;
    let isEnded = false;
    let wake = () => {};
    const hear = (message: Message) => {
      if (message.kind !== "progress" && message.kind !== "ended") return;
      newest = message.fields.status;
      isEnded = message.kind === "ended";
      wake();
    };
    const fail = (why: BrokerError) => {
      error = why;
      wake();
    };
    const stop = this.#session.subscribe("watch", { job, interval_ms }, hear, fail);
    try {
      for (;;) {
        if (!newest && !error) {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
        if (error) throw error;
        const status = newest;
        newest = undefined;
        const isLast = isEnded;
        if (status) yield status;
        if (isLast) return;
      }
    } finally {
      stop();
    }
  }

  /** Waits for the end of a job, without limit. Resolves to its final status. */
  async wait(job: string): Promise<JobStatus> {
    let last: JobStatus | undefined;
    for await (const status of this.watch(job)) last = status;
    return last as JobStatus;
  }

  /** Ends a job: no block is handed out any more, and its workers are told to leave. */
  async cancel(job: string, reason = ""): Promise<void> {
    await this.#session.request("cancelled", "cancel", { job, reason });
  }

  /** Tries failed and orphaned blocks again. Resolves to how many blocks are open again. */
  async retryFailed(job: string): Promise<number> {
    return (await this.#session.request("retried", "retry_failed", { job })).blocks;
  }

  /** Hands out no more blocks of the job, or of that task; what is out goes on. */
  async pause(job: string, task = ""): Promise<void> {
    await this.#session.request("ok", "pause", { job, task });
  }

  /** Ends a pause. */
  async resume(job: string, task = ""): Promise<void> {
    await this.#session.request("ok", "resume", { job, task });
  }

  /** Sets how many workers of a task's `group`, counted from 0, are started from now on. */
  async setWorkers(job: string, count: number, task = "", group = 0): Promise<void> {
    await this.#session.request("ok", "set_workers", { job, task, group, count });
  }

  /** States that the process of this worker has ended, on a machine that nobody hears of. */
  async workerGone(worker: bigint): Promise<void> {
    await this.#session.request("ok", "worker_gone", { worker });
  }

  /** Why a block, by its id, does not run, or why a worker is idle: give one of the two. */
  async explain(
    job: string,
    about: { block: bigint; task?: string } | { worker: bigint },
  ): Promise<Explanation> {
    const { summary, steps } = await this.#session.request("explained", "explain", {
      job,
      ...about,
    });
    return { summary, steps };
  }

  /** Says bye and disconnects. What is open rejects with code `closed`. */
  async close(): Promise<void> {
    await this.#session.close();
  }
}
