// A broker that does what a test says, over a real socket.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { Router } from "zeromq";
import { write } from "../dist/messages.js";
import { decode, Float, Pairs } from "../dist/msgpack.js";

const ROI = [[0], [1]];

export class FakeBroker {
  #router = new Router({ linger: 1000 });
  #peer;
  #heard = [];
  #wake = () => {};
  /** Answers pings of itself, and counts them. */
  answersPings = true;
  pings = 0;

  static async start() {
    const broker = new FakeBroker();
    await broker.#router.bind("tcp://127.0.0.1:*");
    void broker.#listen();
    return broker;
  }

  get endpoint() {
    return this.#router.lastEndpoint;
  }

  get env() {
    const { PATH } = process.env;
    return {
      PATH,
      BELLIS_ENDPOINT: this.endpoint,
      BELLIS_PREFETCH: "0",
      BELLIS_HEARTBEAT_MS: "250",
    };
  }

  close() {
    this.#router.close();
  }

  async #listen() {
    try {
      for await (const [peer, data] of this.#router) {
        this.#peer = peer;
        const [kind, fields] = plain(decode(data));
        if (kind === "ping") await this.#pong(fields);
        else this.#heard.push([kind, fields]);
        this.#wake();
      }
    } catch (error) {
      if (!this.#router.closed) throw error;
    }
  }

  async #pong({ nonce }) {
    this.pings += 1;
    if (this.answersPings) await this.send("pong", { nonce });
  }

  async send(kind, fields = {}) {
    await this.#router.send([this.#peer, write(kind, fields)]);
  }

  /** The next message but pings; it must be of this kind. Returns its fields. */
  async expect(kind) {
    while (this.#heard.length === 0) await this.#next();
    const [found, fields] = this.#heard.shift();
    assert.equal(
      found,
      kind,
      JSON.stringify(fields, (_, one) => (typeof one === "bigint" ? `${one}n` : one)),
    );
    return fields;
  }

  /** Waits for so many pings. */
  async expectPings(count) {
    while (this.pings < count) await this.#next();
  }

  #next() {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  async welcome(fields = {}) {
    const hello = await this.expect("hello");
    await this.send("welcome", {
      version: 1,
      broker: "fake",
      job: "j",
      task: "t",
      worker: 7,
      ...fields,
    });
    return hello;
  }

  work(...leases) {
    const block = (lease) => ({ lease, index: 1, id: 2, read: ROI, write: ROI, attempt: 1 });
    return this.send("work", { blocks: leases.map((one) => ({ ...block(one) })) });
  }
}

/** A process of Node that runs `text`, which has all of the package. */
export class Program {
  constructor(text, env) {
    const index = new URL("../dist/index.js", import.meta.url);
    const script = `import * as bellis from ${JSON.stringify(String(index))};\n${text}`;
    const args = ["--input-type=module", "--eval", script];
    this.process = spawn(process.execPath, args, { env, stdio: ["ignore", "pipe", "pipe"] });
    this.out = "";
    this.err = "";
    this.process.stdout.on("data", (data) => {
      this.out += data;
    });
    this.process.stderr.on("data", (data) => {
      this.err += data;
    });
    this.ended = once(this.process, "close").then(([code, signal]) => ({ code, signal }));
  }
}

function plain(tree) {
  if (tree instanceof Float) return tree.value;
  if (Array.isArray(tree)) return tree.map(plain);
  if (!(tree instanceof Pairs)) return tree;
  return Object.fromEntries([...tree.values].map(([key, value]) => [key, plain(value)]));
}
