// A session without sockets, thread or clock: a test says what comes and what time it is.
import { Session } from "../dist/session.js";

export const SETTINGS = {
  access: {
    endpoint: "tcp://127.0.0.1:1",
    token: "",
    server_key: "",
    public_key: "",
    secret_key: "",
  },
  job: "smooth-1",
  task: "smooth",
  duty: "work",
  given: 0n,
  heartbeatMs: 4000,
  prefetch: 0,
  connectMs: 30_000,
  lostMs: 300_000,
  silenceMs: 10_000,
};

const EMPTY = { version: 1, broker: "", job: "smooth-1", task: "smooth", worker: 7n, duty: "work" };
const TERMS = { slot: 0, lease_ms: 20_000, heartbeat_ms: 4000, durable: false, held: [] };

/** Stands for the thread and the broker. `said` is what the worker said and did since `take`. */
export class FakeHost {
  said = [];
  sessions = 0n;
  now = 1_000_000;

  constructor(settings = {}) {
    const identity = { host: "node1", pid: 4711, machine: "boot:pid" };
    this.session = new Session({ ...SETTINGS, ...settings }, identity, this, this.now);
  }

  /** What was said and done since the last call. */
  take() {
    const said = this.said;
    this.said = [];
    return said;
  }

  /** The names of that. */
  kinds() {
    return this.take().map(([kind]) => kind);
  }

  // ---- what the broker says ----

  welcome(fields = {}) {
    this.hear("welcome", { ...EMPTY, ...TERMS, ...fields });
  }

  work(...leases) {
    const roi = { offset: [0], shape: [1] };
    const block = (lease) => ({
      lease,
      index: lease,
      id: lease,
      read: roi,
      write: roi,
      attempt: 1,
    });
    this.hear("work", { blocks: leases.map(block), runs: [] });
  }

  committed(leases, dropped = []) {
    this.hear("committed", { leases, dropped, runs: [] });
  }

  error(code) {
    this.hear("error", { code, message: `the broker says ${code}`, req: 0n });
  }

  hear(kind, fields) {
    this.session.hear({ kind, fields }, this.now);
  }

  // ---- what the user does ----

  next() {
    this.session.next(this.now);
  }

  done(lease, next = true, status = "completed") {
    this.session.done({ lease, status }, next, this.now);
  }

  /** Lets the time go on, as the thread does: it calls `tick` when that is due. */
  pass(ms) {
    const end = this.now + ms;
    while (this.now < end) {
      this.now = Math.min(end, this.now + this.session.untilDue(this.now));
      this.session.tick(this.now);
    }
  }

  // ---- the Host ----

  send(kind, fields) {
    this.said.push([kind, fields]);
  }

  ping(nonce) {
    this.said.push(["ping", { nonce }]);
    if (this.answersPings) this.hear("pong", { nonce: BigInt(nonce) });
  }

  reopen() {
    this.said.push(["reopen"]);
  }

  newSession() {
    this.sessions += 1n;
    return this.sessions;
  }

  welcomed() {}

  hand(block) {
    this.said.push(["hand", block.lease]);
  }

  lost(lease) {
    this.said.push(["lost", lease]);
  }

  ended(_reason, error) {
    this.said.push(["ended", error?.code]);
  }

  close() {
    this.said.push(["close"]);
  }

  warn(text) {
    this.said.push(["warn", text]);
  }

  fence() {
    this.said.push(["fence"]);
  }
}
