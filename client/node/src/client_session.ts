import { hostname } from "node:os";
import type { Access } from "./access.js";
import { BrokerError, noBroker } from "./errors.js";
import { Line } from "./line.js";
import { bootTime } from "./machine.js";
import { type Fields, type Message, VERSION, write } from "./messages.js";
import { Silence } from "./silence.js";

const SILENCE_MS = 10_000;
const TICK_MS = 250;

type Kind = Message["kind"];

/** A request that is open: its answer, or the next of its answers, has not come. */
interface Open {
  kind: string;
  fields: object;
  /** Answered once, or, as a watch, until `ended`. */
  hear(message: Message): boolean;
  fail(error: BrokerError): void;
}

/** The client role of bellis/1: requests, in any number, over one connection (CLIENTS.md). */
export class ClientSession {
  broker = "";
  readonly #access: Access;
  readonly #timeoutMs: number;
  readonly #line: Line;
  readonly #open = new Map<number, Open>();
  readonly #timer: NodeJS.Timeout;
  #lastReq = 0;
  #isWelcome = false;
  #isClosed = false;
  readonly #silence = new Silence(SILENCE_MS, bootTime());
  #limitMs: number;
  #nonce = 0;
  #greeted: { resolve(): void; reject(error: BrokerError): void } | undefined;

  constructor(access: Access, connectMs: number, timeoutMs: number) {
    this.#access = access;
    this.#limitMs = connectMs;
    this.#timeoutMs = timeoutMs;
    this.#line = new Line(
      access,
      (message) => this.#hear(message),
      (error) => this.#failAll(error),
    );
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  /** Resolves at the broker's welcome. */
  greet(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#greeted = { resolve, reject };
      this.#hello();
    });
  }

  /** Sends a request, and resolves to the fields of its answer, a message of kind `answer`. */
  request<K extends Kind>(answer: K, kind: string, fields: object): Promise<Fields<K>> {
    return new Promise((resolve, reject) => {
      this.#send(kind, fields, {
        hear: (message) => {
          if (message.kind === answer) resolve(message.fields as Fields<K>);
          return message.kind === answer;
        },
        fail: reject,
      });
    });
  }

  /** Passes on each answer until one of kind `ended`. Returns how to stop. */
  subscribe(
    kind: string,
    fields: object,
    hear: (message: Message) => void,
    fail: (error: BrokerError) => void,
  ): () => void {
    const req = this.#send(kind, fields, {
      hear: (message) => {
        hear(message);
        return message.kind === "ended";
      },
      fail,
    });
    return () => this.#open.delete(req);
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearInterval(this.#timer);
    this.#failAll(new BrokerError("closed", "this connection was closed"));
    if (this.#isWelcome) this.#line.send("bye", {});
    await this.#line.close(this.#isWelcome);
  }

  #send(kind: string, fields: object, handlers: Pick<Open, "hear" | "fail">): number {
    if (this.#isClosed) throw new BrokerError("closed", "this connection was closed");
    this.#lastReq += 1;
    const req = this.#lastReq;
    const open: Open = { kind, fields: { req, ...fields }, ...handlers };
    write(kind, open.fields); // refuses what cannot be sent
    if (this.#open.size === 0) this.#silence.end(bootTime());
    this.#open.set(req, open);
    if (this.#isWelcome) this.#line.send(kind, open.fields);
    return req;
  }

  #hello(): void {
    this.#isWelcome = false;
    this.#line.send("hello", {
      version: VERSION,
      role: "client",
      token: this.#access.token || undefined,
      language: "node",
      host: hostname(),
      pid: process.pid,
    });
  }

  #hear(message: Message): void {
    this.#silence.end(bootTime());
    if (message.kind === "welcome") this.#welcome(message.fields);
    else if (message.kind === "error") this.#error(message.fields);
    else if ("req" in message.fields) this.#answer(Number(message.fields.req), message);
  }

  #welcome(welcome: Fields<"welcome">): void {
    if (this.#isWelcome) return;
    if (welcome.version !== VERSION) {
      const text = `the broker speaks version ${welcome.version}: ${VERSION} is accepted`;
      this.#failAll(new BrokerError("version", text));
      return;
    }
    this.#isWelcome = true;
    this.broker = welcome.broker;
    this.#limitMs = this.#timeoutMs;
    this.#greeted?.resolve();
    this.#greeted = undefined;
    for (const { kind, fields } of this.#open.values()) this.#line.send(kind, fields);
  }

  #error({ code, message, req }: Fields<"error">): void {
    if (code === "hello_first") {
      if (this.#isWelcome) this.#hello();
      return;
    }
    const error = new BrokerError(code, message || code);
    const open = this.#open.get(Number(req));
    if (open) {
      this.#open.delete(Number(req));
      open.fail(error);
    } else {
      this.#failAll(error);
    }
  }

  #answer(req: number, message: Message): void {
    if (this.#open.get(req)?.hear(message)) this.#open.delete(req);
  }

  #failAll(error: BrokerError): void {
    const all = [...this.#open.values()];
    this.#open.clear();
    this.#greeted?.reject(error);
    this.#greeted = undefined;
    for (const open of all) open.fail(error);
  }

  /** Silence may mean that the broker is gone, or was started again. */
  #tick(): void {
    const now = bootTime();
    this.#silence.look(now);
    if (this.#open.size === 0 && !this.#greeted) return;
    const silentMs = this.#silence.lasts(now);
    if (silentMs >= this.#limitMs) {
      this.#failAll(noBroker(this.#access.endpoint, silentMs, this.broker !== ""));
      return;
    }
    const due = this.#silence.next(now);
    if (due === "reopen") this.#reopen();
    else if (due === "ask" && this.#isWelcome) this.#ping();
    else if (due === "ask") this.#hello();
  }

  #ping(): void {
    this.#nonce += 1;
    this.#line.ping(this.#nonce);
  }

  /** Connects anew. */
  #reopen(): void {
    // Whether the broker has this job nobody knows, and a second one may do harm.
    for (const [req, { kind, fail }] of this.#open) {
      if (kind !== "submit") continue;
      this.#open.delete(req);
      fail(new BrokerError("no_broker", "the submit was not answered: ask for the job's status"));
    }
    this.#line.reopen();
    this.#hello();
  }
}
