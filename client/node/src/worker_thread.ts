/**
 * The thread that speaks with the broker in a worker's name. So heartbeats go out, leases are watched
 * and messages are answered while the user's function computes in the main thread.
 */
import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { parentPort, workerData } from "node:worker_threads";
import { BrokerError } from "./errors.js";
import { fence } from "./fence.js";
import type { Host, Result } from "./host.js";
import { Line } from "./line.js";
import { bootTime, machineName } from "./machine.js";
import type { Fields, LeasedBlock } from "./messages.js";
import { Session } from "./session.js";
import type { WorkerSettings } from "./settings.js";
import { type Place, WorkNote } from "./work_page.js";

/** With what the thread begins. */
export interface ThreadData {
  settings: WorkerSettings;
  place: Place | undefined;
}

/** From the main thread. */
export type ToThread =
  | { what: "next" }
  | { what: "done"; result: Result; next: boolean }
  | { what: "stop"; reason: string };

/** To the main thread. */
export type FromThread =
  | { what: "welcomed"; welcome: Fields<"welcome"> }
  | { what: "block"; block: LeasedBlock }
  | { what: "lost"; lease: bigint; reason: string }
  | { what: "ended"; reason: string; error?: { code: string; message: string } }
  | { what: "warning"; text: string };

class WorkerThread implements Host {
  readonly #line: Line;
  readonly #session: Session;
  readonly #tell: (message: FromThread) => void;
  readonly #note: WorkNote | undefined;
  #timer: NodeJS.Timeout | undefined;
  #due = Number.POSITIVE_INFINITY;
  #isClosed = false;

  constructor({ settings, place }: ThreadData, tell: (message: FromThread) => void) {
    this.#tell = tell;
    this.#note = place && new WorkNote(place);
    this.#line = new Line(
      settings.access,
      (message) => this.#act((now) => this.#session.hear(message, now)),
      (error) => this.warn(error.message),
    );
    const identity = { host: hostname(), pid: process.pid, machine: machineName() };
    this.#session = new Session(settings, identity, this, bootTime());
    this.#act(() => {});
  }

  /** From the main thread. */
  take(message: ToThread): void {
    if (this.#isClosed) return;
    if (message.what === "done") this.#note?.setLease(0n);
    this.#act((now) => {
      if (message.what === "next") this.#session.next(now);
      else if (message.what === "stop") this.#session.stop(message.reason, now);
      else this.#session.done(message.result, message.next, now);
    });
  }

  /** Does something with the session, and sees to it that `tick` is called in time. */
  #act(action: (now: number) => void): void {
    const now = bootTime();
    action(now);
    if (this.#isClosed) return;
    const due = now + this.#session.untilDue(now);
    if (due >= this.#due) return;
    clearTimeout(this.#timer);
    this.#due = due;
    this.#timer = setTimeout(() => {
      this.#due = Number.POSITIVE_INFINITY;
      this.#act((later) => this.#session.tick(later));
    }, due - now);
  }

  send(kind: string, fields: object): void {
    this.#line.send(kind, fields);
  }

  ping(nonce: number): void {
    this.#line.ping(nonce);
  }

  reopen(): void {
    this.#line.reopen();
  }

  newSession(): bigint {
    return (randomBytes(8).readBigUInt64BE() >> 1n) | 1n;
  }

  welcomed(welcome: Fields<"welcome">): void {
    this.#note?.setWorker(welcome.worker);
    this.#tell({ what: "welcomed", welcome });
  }

  hand(block: LeasedBlock): void {
    this.#note?.setLease(block.lease);
    this.#tell({ what: "block", block });
  }

  lost(lease: bigint, reason: string): void {
    this.#tell({ what: "lost", lease, reason });
  }

  ended(reason: string, error?: BrokerError): void {
    const told = error && { code: error.code, message: error.message };
    this.#tell(told ? { what: "ended", reason, error: told } : { what: "ended", reason });
  }

  warn(text: string): void {
    this.#tell({ what: "warning", text });
  }

  fence(): void {
    fence();
  }

  close(waits: boolean): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#note?.close();
    void this.#line.close(waits).then(() => parentPort?.close());
  }
}

const port = parentPort;
if (port) {
  const tell = (message: FromThread) => port.postMessage(message);
  try {
    const thread = new WorkerThread(workerData as ThreadData, tell);
    port.on("message", (message: ToThread) => thread.take(message));
  } catch (error) {
    const { message } = error as Error;
    const code = error instanceof BrokerError ? error.code : "environment";
    tell({ what: "ended", reason: message, error: { code, message } });
  }
}
