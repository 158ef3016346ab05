/**
 * A worker's side of bellis/1, level 2: what it says, what it does with what comes (WORKERS.md).
 *
 * The session does no I/O and reads no clock: messages, the user's requests and the time go in; what to
 * send, to hand out and to stop come out as calls of its `Host`. States, as in the table of the page:
 *
 *     GREETING    a hello is out: !#isWelcome
 *     WORKING     the user's function has a block: #current
 *     WAITING     neither
 *     DRAINING    #end is set: it ends when the block in hand is done
 */
import { BrokerError, noBroker } from "./errors.js";
import type { HeldLease, Host, Identity, Result } from "./host.js";
import { LeaseClock } from "./lease_clock.js";
import { type Fields, type LeasedBlock, type Message, VERSION } from "./messages.js";
import { Prefetch } from "./prefetch.js";
import type { WorkerSettings } from "./settings.js";
import { LOOK_MS_MAX, Silence } from "./silence.js";

/** Ends a worker in every state. */
const FATAL = ["unauthorized", "unknown_job", "unknown_task", "version", "wrong_role"];
/** While a block is worked on, the time is looked at this often: timers stand still in sleep. */
const WATCH_MS = 50;
/** Blocks that wait behind one that takes longer go back. */
const SLOW_MS = 20;
/** In one message: each may have an error of 16 KiB, and a message 1 MiB. */
const RESULTS_MAX = 60;
/** A worker that is to end waits this long for a welcome, to hand in what it has. */
const LAST_WORDS_MS = 2000;

export class Session {
  readonly #settings: WorkerSettings;
  readonly #host: Host;
  readonly #identity: Identity;
  readonly #clock = new LeaseClock();
  readonly #prefetch: Prefetch;

  #number: bigint;
  #job: string;
  #task: string;
  #session: bigint;
  #greeting = 0;
  #asked = 0; // when the first hello was sent that is not answered
  #isWelcome = false;
  #wasWelcome = false;
  #isAnother = false; // it began anew, since the broker did not know it any more
  #isUnsure = false; // the welcome came so late that a pong must say that leases last
  #isDurable = false;
  readonly #silence: Silence;

  /** In hand, started or not. */
  readonly #leases = new Map<bigint, HeldLease>();
  /** Not started, in the order received. */
  #stock: LeasedBlock[] = [];
  /** What the user's function has. `lostUntil`: its lease is over, and it must have stopped by then. */
  #current: { lease: bigint; since: number; lostUntil?: number } | undefined;
  /** Handed in, and perhaps not stored. */
  readonly #results = new Map<bigint, { held: HeldLease; result: Result }>();
  #requested = 0; // blocks that were asked for and did not come
  #isWanted = false; // the user waits for a block
  #end: { reason: string; by: number } | undefined; // it ends as soon as nothing is in hand
  #isOver = false;

  constructor(settings: WorkerSettings, identity: Identity, host: Host, now: number) {
    this.#settings = settings;
    this.#identity = identity;
    this.#host = host;
    this.#prefetch = new Prefetch(settings.prefetch);
    this.#number = settings.given;
    this.#job = settings.job;
    this.#task = settings.task;
    this.#session = host.newSession();
    this.#silence = new Silence(settings.silenceMs, now);
    this.#hello(now);
  }

  // ---- the user ----

  /** The user waits for a block. */
  next(now: number): void {
    this.#isWanted = true;
    this.#ask([]);
    this.#give(now);
  }

  /** The user's function is done with its block. `next`: it waits for another one. */
  done(result: Result, next: boolean, now: number): void {
    const current = this.#current;
    if (current?.lease !== result.lease) return;
    this.#current = undefined;
    this.#isWanted = next;
    this.#prefetch.took(now - current.since);
    if (current.lostUntil === undefined) this.#handIn(result);
    else this.#ask([]);
    this.#endIfDone(now);
    this.#give(now);
  }

  /** The user wants no more blocks. */
  stop(reason: string, now: number): void {
    this.#endSoon(reason, now);
  }

  // ---- time ----

  /** Does what is due. Call it again after `untilDue` milliseconds, or earlier. */
  tick(now: number): void {
    this.#silence.look(now);
    if (this.#current) {
      if (now >= (this.#current.lostUntil ?? this.#clock.deadline)) this.#host.fence();
    } else if (now >= this.#clock.deadline && !this.#isUnsure && !this.#isOver) {
      this.#expire(now);
    }
    if (!this.#isOver) this.#watchBroker(now);
    if (this.#isOver) return;
    if (now >= this.#clock.nextBeat) this.#host.ping(this.#clock.ping(now));
    if (this.#isSlow(now)) this.#slowDown();
    this.#endIfDone(now);
  }

  /** How many milliseconds nothing is due. */
  untilDue(now: number): number {
    const watch = this.#current || this.#end ? WATCH_MS : LOOK_MS_MAX;
    const slow = this.#stock.length > 0 && this.#prefetch.isAuto ? SLOW_MS : watch;
    const sign = this.#silence.untilNext(now);
    const limit = this.#limitMs() - this.#silence.lasts(now);
    const due = Math.min(sign, limit, this.#clock.nextBeat - now, this.#clock.deadline - now);
    return Math.max(1, Math.min(watch, slow, due));
  }

  /** How long the broker may be silent. */
  #limitMs(): number {
    if (!this.#wasWelcome) return this.#settings.connectMs;
    return this.#current ? Number.POSITIVE_INFINITY : this.#settings.lostMs;
  }

  /** Silence may mean that the broker was started again, or that the connection is dead. */
  #watchBroker(now: number): void {
    const silentMs = this.#silence.lasts(now);
    if (silentMs >= this.#limitMs()) {
      this.#fail(noBroker(this.#settings.access.endpoint, silentMs, this.#wasWelcome));
      return;
    }
    const due = this.#silence.next(now);
    if (due === "nothing") return;
    if (due === "reopen") this.#host.reopen();
    if (this.#isWelcome && due === "ask") this.#host.ping(this.#clock.ping(now));
    else this.#hello(now);
  }

  /** All leases have ended, and nothing is worked on: what has not begun goes back. */
  #expire(now: number): void {
    for (const block of this.#stock) this.#leases.delete(block.lease);
    this.#stock = [];
    this.#clock.reset();
    if (this.#isWelcome) this.#hello(now);
  }

  #isSlow(now: number): boolean {
    return this.#prefetch.isAuto && !!this.#current && now - this.#current.since >= SLOW_MS;
  }

  /** A block takes long: what waits behind it goes to others. */
  #slowDown(): void {
    this.#returnStock();
    this.#prefetch.stop();
  }

  /** Hands back what has not begun, but for the first `kept`. */
  #returnStock(kept = 0): void {
    if (this.#stock.length <= kept || !this.#isWelcome) return;
    const results = this.#stock.splice(kept).map(({ lease }) => returned(lease));
    for (const { lease } of results) this.#leases.delete(lease);
    this.#host.send("release", { results });
  }

  // ---- the broker ----

  hear(message: Message, now: number): void {
    this.#silence.end(now);
    if (this.#isOver) return;
    const { kind, fields } = message;
    if (kind === "welcome") this.#welcome(fields, now);
    else if (kind === "work") this.#work(fields.blocks, now);
    else if (kind === "recall") this.#recall(fields.keep);
    else if (kind === "committed") this.#committed(fields);
    else if (kind === "pong") this.#pong(Number(fields.nonce), now);
    else if (kind === "drain") this.#endSoon(fields.reason, now);
    else if (kind === "leave") this.#leave(fields.reason, now);
    else if (kind === "error") this.#error(fields.code, fields.message || fields.code, now);
  }

  #hello(now: number): void {
    // Nobody knows which of several hellos is answered, so the first one counts.
    if (this.#isWelcome || this.#greeting === 0) this.#asked = now;
    this.#greeting += 1;
    this.#isWelcome = this.#isUnsure = false;
    this.#requested = 0;
    this.#clock.hello();
    const held = [...this.#leases.values(), ...[...this.#results.values()].map((one) => one.held)];
    this.#host.send("hello", {
      version: VERSION,
      role: "worker",
      token: this.#settings.access.token || undefined,
      job: this.#job,
      task: this.#task,
      worker: this.#number,
      duty: this.#settings.duty,
      language: "node",
      ...this.#identity,
      session: this.#session,
      greeting: this.#greeting,
      heartbeat_ms: this.#settings.heartbeatMs,
      held,
    });
  }

  #welcome(welcome: Fields<"welcome">, now: number): void {
    if (this.#isWelcome) return;
    if (welcome.version !== VERSION) {
      const text = `the broker speaks version ${welcome.version}: ${VERSION} is accepted`;
      this.#fail(new BrokerError("version", text));
      return;
    }
    this.#isWelcome = this.#wasWelcome = true;
    this.#number = welcome.worker;
    this.#job = welcome.job;
    this.#task = welcome.task;
    this.#isDurable = welcome.durable;
    this.#prefetch.welcome(welcome.prefetch);
    this.#clock.welcome(welcome.lease_ms, welcome.heartbeat_ms, this.#asked, now);
    this.#isUnsure = now >= this.#clock.deadline;
    const forgotten = this.#keep(new Set(welcome.held));
    this.#host.welcomed(welcome);
    const results = [...[...this.#results.values()].map((one) => one.result), ...forgotten];
    if (!this.#isDurable) this.#results.clear();
    this.#ask(results);
    this.#endIfDone(now);
    this.#give(now);
  }

  #pong(nonce: number, now: number): void {
    this.#clock.pong(nonce);
    if (!this.#isUnsure || now >= this.#clock.deadline) return;
    this.#isUnsure = false;
    this.#ask([]);
    this.#give(now);
  }

  /** Forgets all leases but these. Returns those of them that this worker has given up meanwhile. */
  #keep(held: Set<bigint>): Result[] {
    const lost = [...this.#leases.keys()].filter((lease) => !held.has(lease));
    for (const lease of lost) {
      this.#leases.delete(lease);
      if (this.#current?.lease === lease) this.#lose("the broker has given the block away");
    }
    this.#stock = this.#stock.filter(({ lease }) => held.has(lease));
    for (const lease of this.#results.keys()) if (!held.has(lease)) this.#results.delete(lease);
    const known = (lease: bigint) => this.#leases.has(lease) || this.#results.has(lease);
    return [...held].filter((lease) => !known(lease)).map(returned);
  }

  /** The block in hand is no longer this worker's, and ends the process unless it stops in time. */
  #lose(reason: string): void {
    const current = this.#current;
    if (!current || current.lostUntil !== undefined) return;
    current.lostUntil = this.#clock.deadline;
    this.#leases.delete(current.lease);
    this.#host.lost(current.lease, reason);
  }

  #work(blocks: LeasedBlock[], now: number): void {
    if (!this.#isWelcome) return; // these went back
    const fresh = blocks.filter(({ lease }) => !this.#leases.has(lease));
    this.#requested = Math.max(0, this.#requested - fresh.length);
    for (const { lease, index, attempt } of fresh)
      this.#leases.set(lease, { lease, index, attempt });
    this.#stock.push(...fresh);
    if (this.#end) this.#returnStock();
    else if (this.#isSlow(now)) this.#slowDown();
    this.#give(now);
  }

  /** Others wait: the newest blocks go back, until `keep` are left. */
  #recall(keep: number): void {
    this.#returnStock(Math.max(0, keep - (this.#current ? 1 : 0)));
  }

  #committed({ leases, dropped }: Fields<"committed">): void {
    for (const lease of [...leases, ...dropped]) this.#results.delete(lease);
  }

  #leave(reason: string, now: number): void {
    this.#lose(reason || "the broker has told this worker to leave");
    this.#leases.clear();
    this.#results.clear();
    this.#stock = [];
    this.#requested = 0;
    this.#end = { reason, by: now };
    this.#endIfDone(now);
  }

  #error(code: string, message: string, now: number): void {
    if (code === "hello_first") {
      if (this.#isWelcome) this.#hello(now);
    } else if (code === "unknown_worker") {
      this.#becomeAnother(new BrokerError(code, message), now);
    } else if (!this.#isWelcome || FATAL.includes(code)) {
      this.#fail(new BrokerError(code, message));
    } else {
      this.#host.warn(`the broker refused something (${code}): ${message}`);
      if (code === "limit") this.#askForLess();
    }
  }

  /** The broker does not know this worker any more: it stops, and begins anew where it may. */
  #becomeAnother(error: BrokerError, now: number): void {
    // It may be about what was said before this hello. If not, the next hello gets it again.
    if (this.#isAnother && !this.#isWelcome && this.#greeting === 1) return;
    this.#lose(error.message);
    this.#leases.clear();
    this.#results.clear();
    this.#stock = [];
    this.#clock.reset();
    if (this.#number === this.#settings.given) {
      this.#fail(error);
      return;
    }
    this.#isAnother = true;
    this.#number = this.#settings.given;
    this.#session = this.#host.newSession();
    this.#greeting = 0;
    this.#hello(now);
  }

  #askForLess(): void {
    if (this.#prefetch.ahead === 0 || this.#end) return;
    this.#prefetch.stop();
    this.#requested = 0;
    this.#ask([]);
  }

  // ---- blocks ----

  /** Hands in these results, and asks for what is missing, in one message. */
  #ask(all: readonly Result[]): void {
    let results = all;
    if (!this.#isWelcome) return;
    const room = (this.#isWanted ? 1 : 0) + this.#prefetch.ahead;
    const has = this.#stock.length + this.#requested;
    const isAsking =
      !this.#end && !this.#isUnsure && (this.#isWanted || this.#current !== undefined);
    const want = isAsking ? Math.max(0, room - has) : 0;
    this.#requested += want;
    for (; results.length > RESULTS_MAX; results = results.slice(RESULTS_MAX)) {
      this.#host.send("release", { results: results.slice(0, RESULTS_MAX) });
    }
    if (results.length > 0) this.#host.send("release", { results, want: want || undefined });
    else if (want > 0) this.#host.send("acquire", { want });
  }

  #handIn(result: Result): void {
    const held = this.#leases.get(result.lease);
    this.#leases.delete(result.lease);
    if (held && (this.#isDurable || !this.#isWelcome)) {
      this.#results.set(result.lease, { held, result });
    }
    this.#ask([result]);
  }

  /** Hands the first block out, if the user waits for one and its lease lasts. */
  #give(now: number): void {
    if (!this.#isWanted || this.#current || this.#end || !this.#isWelcome) return;
    if (this.#isUnsure) return;
    if (now >= this.#clock.deadline) {
      this.#expire(now);
      return;
    }
    const block = this.#stock.shift();
    if (!block) return;
    this.#isWanted = false;
    this.#current = { lease: block.lease, since: now };
    this.#host.hand(block);
  }

  // ---- the end ----

  /** Ends as soon as nothing is in hand. What has not begun goes back. */
  #endSoon(reason: string, now: number): void {
    if (this.#end) return;
    this.#end = { reason, by: now + LAST_WORDS_MS };
    this.#returnStock();
    this.#endIfDone(now);
  }

  #endIfDone(now: number): void {
    if (this.#isOver) {
      if (!this.#current) this.#host.close(this.#wasWelcome);
      return;
    }
    if (!this.#end || this.#current) return;
    if (!this.#isWelcome && this.#results.size + this.#stock.length > 0 && now < this.#end.by)
      return;
    this.#returnStock();
    // A request that waits is taken back by a hello: a block on its way is no failed attempt then.
    if (this.#isWelcome && this.#requested > 0) this.#hello(now);
    this.#over(this.#end.reason);
  }

  #fail(error: BrokerError): void {
    this.#lose(error.message);
    this.#returnStock();
    this.#over(error.message, error);
  }

  #over(reason: string, error?: BrokerError): void {
    this.#isOver = true;
    this.#host.send("bye", { reason });
    this.#host.ended(reason, error);
    if (!this.#current) this.#host.close(this.#wasWelcome);
  }
}

function returned(lease: bigint): Result {
  return { lease, status: "returned" };
}
