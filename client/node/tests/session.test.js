// The state machine of a worker, as the tables of WORKERS.md say it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeHost } from "./fake_host.js";

/** A worker that was welcomed, and has these blocks; the first is in the user's hands. */
function working(leases, { settings = {}, welcome = {} } = {}) {
  const host = new FakeHost(settings);
  host.welcome(welcome);
  host.next();
  host.work(...leases);
  host.take();
  return host;
}

const held = (host) => {
  const [kind, hello] = host.said.at(-1);
  assert.equal(kind, "hello");
  return hello.held.map(({ lease }) => lease);
};

test("a block is handed in and the next one asked for with one message", () => {
  const host = new FakeHost();
  const [[kind, hello]] = host.take();
  assert.equal(kind, "hello");
  assert.equal(hello.role, "worker");
  assert.equal(hello.worker, 0n);
  assert.equal(hello.greeting, 1);
  assert.equal(hello.language, "node");
  host.next();
  host.welcome();
  assert.deepEqual(host.take(), [["acquire", { want: 1 }]]);
  host.work(1n);
  assert.deepEqual(host.take(), [["hand", 1n]]);
  host.done(1n);
  const results = [{ lease: 1n, status: "completed" }];
  assert.deepEqual(host.take(), [["release", { results, want: 1 }]]);
  host.done(1n);
  assert.deepEqual(host.take(), []);
});

test("blocks are asked for in advance, and worked on in the order received", () => {
  const host = new FakeHost({ prefetch: 3 });
  host.next();
  host.welcome();
  assert.deepEqual(host.take().at(-1), ["acquire", { want: 4 }]);
  host.work(1n, 2n);
  host.work(3n, 4n);
  assert.deepEqual(host.take(), [["hand", 1n]]);
  host.done(1n);
  const [[, { want }], handed] = host.take();
  assert.equal(want, 1);
  assert.deepEqual(handed, ["hand", 2n]);
});

test("auto asks for more while blocks take microseconds, and returns what waits behind a slow one", () => {
  const host = working([1n], { settings: { prefetch: "auto" } });
  let lease = 1n;
  const wants = [];
  for (let i = 0; i < 10; i += 1) {
    const stocked = host.said.length;
    host.done(lease);
    const said = host.said.slice(stocked);
    const want = said.find(([kind]) => kind === "release")[1].want ?? 0;
    wants.push(want);
    host.work(...Array.from({ length: want }, (_, k) => 1000n * BigInt(i + 1) + BigInt(k)));
    lease = host.said.findLast(([kind]) => kind === "hand")[1];
  }
  assert.deepEqual(wants.slice(0, 4), [2, 3, 5, 9]);
  host.take();
  host.pass(40);
  const [kind, { results }] = host.take()[0];
  assert.equal(kind, "release");
  assert.ok(results.length > 50);
  assert.ok(results.every(({ status }) => status === "returned"));
});

test("a recall returns the newest blocks, but for those to keep and the one in hand", () => {
  const host = working([1n, 2n, 3n, 4n], { settings: { prefetch: 3 } });
  host.hear("recall", { keep: 3 });
  const results = [{ lease: 4n, status: "returned" }];
  assert.deepEqual(host.take(), [["release", { results }]]);
  host.hear("recall", { keep: 3 });
  assert.deepEqual(host.take(), []);
  host.hear("recall", { keep: 1 });
  assert.deepEqual(host.kinds(), ["release"]);
  host.done(1n);
  assert.deepEqual(host.take()[0][1].want, 4);
});

test("a task says how many blocks to ask for in advance, unless the user does", () => {
  const wants = (prefetch) => {
    const host = new FakeHost({ prefetch });
    host.next();
    host.welcome({ prefetch: 5 });
    return host.take().at(-1)[1].want;
  };
  assert.deepEqual([wants(undefined), wants("auto"), wants(2)], [6, 1, 3]);
});

test("pings go out, and their answers keep the leases", () => {
  const host = working([1n]);
  host.answersPings = true;
  host.pass(60_000);
  assert.deepEqual(new Set(host.kinds()), new Set(["ping"]));
  host.answersPings = false;
  host.pass(15_000);
  assert.ok(!host.kinds().includes("fence"));
  host.pass(5_000);
  assert.ok(host.kinds().includes("fence"));
});

test("the fence falls before the lease ends, as counted from the last answered ping", () => {
  const host = working([1n], { welcome: { lease_ms: 10_000, heartbeat_ms: 2500 } });
  host.pass(10_000 - 100 - 500 - 10 - 1);
  assert.ok(!host.kinds().includes("fence"));
  host.pass(1);
  assert.ok(host.kinds().includes("fence"));
});

test("a worker without heartbeats is not fenced, and asks a silent broker for a sign", () => {
  const host = working([1n], {
    settings: { heartbeatMs: 0 },
    welcome: { lease_ms: 0, heartbeat_ms: 0 },
  });
  host.pass(9_999);
  assert.deepEqual(host.take(), []);
  host.pass(1);
  assert.deepEqual(host.kinds(), ["ping"]);
  host.pass(10_000);
  assert.deepEqual(host.kinds(), ["reopen", "hello"]);
  host.pass(600_000);
  assert.ok(!host.kinds().includes("ended"));
});

test("leases that end while nothing is in hand bring a hello, and nothing of them is worked on", () => {
  const host = working([1n, 2n], {
    settings: { prefetch: 1 },
    welcome: { lease_ms: 8000, heartbeat_ms: 2000 },
  });
  host.done(1n, false);
  host.take();
  host.pass(7_500);
  assert.deepEqual(held(host), []);
  host.take();
  host.welcome({ held: [2n] });
  host.next();
  const said = host.take();
  assert.deepEqual(said[0], [
    "release",
    { results: [{ lease: 2n, status: "returned" }], want: undefined },
  ]);
  assert.equal(said.at(-1)[0], "acquire");
});

test("hello_first brings one hello, which lists all that is in hand", () => {
  const host = working([1n, 2n], { settings: { prefetch: 1 } });
  host.error("hello_first");
  host.error("hello_first");
  assert.deepEqual(held(host), [1n, 2n]);
  const [[, hello], ...more] = host.take();
  assert.deepEqual(more, []);
  assert.equal(hello.greeting, 2);
  assert.equal(hello.worker, 7n);
  host.work(3n); // it went back
  host.welcome({ held: [1n, 2n] });
  host.welcome({ held: [] }); // a second one is ignored
  host.take();
  host.done(1n);
  assert.deepEqual(host.kinds(), ["release", "hand"]);
});

test("a block that the welcome does not list must stop, and its result is forgotten", () => {
  const host = working([1n], { welcome: { durable: true } });
  host.error("hello_first");
  host.take();
  host.welcome({ held: [], durable: true });
  assert.deepEqual(host.take()[0], ["lost", 1n]);
  host.answersPings = true;
  host.pass(10_000);
  assert.ok(!host.kinds().includes("fence"));
  host.done(1n);
  assert.deepEqual(host.take(), [["acquire", { want: 1 }]]);
});

test("a block that was lost and does not stop ends the process, though pings are answered", () => {
  const host = working([1n]);
  host.answersPings = true;
  host.error("hello_first");
  host.welcome({ held: [] });
  host.take();
  host.pass(20_000);
  assert.ok(host.kinds().includes("fence"));
});

test("results are kept until they are committed, and handed in again", () => {
  const host = working([1n], { welcome: { durable: true } });
  host.done(1n);
  host.work(2n);
  host.done(2n);
  host.work(3n);
  host.committed([1n]);
  host.take();
  host.error("hello_first");
  assert.deepEqual(held(host), [3n, 2n]);
  host.take();
  host.done(3n);
  assert.deepEqual(host.take(), []); // it waits for the welcome
  host.welcome({ durable: true, held: [3n] });
  const [[kind, { results, want }]] = host.take();
  assert.equal(kind, "release");
  assert.deepEqual(
    results.map(({ lease }) => lease),
    [3n],
  );
  assert.equal(want, 1);
  host.committed([], [3n]);
  host.error("hello_first");
  assert.deepEqual(held(host), []);
});

test("a result that no durable broker keeps is handed in at the next welcome only", () => {
  const host = working([1n]);
  host.error("hello_first");
  host.done(1n);
  host.take();
  host.welcome({ held: [1n] });
  assert.deepEqual(host.kinds(), ["release"]);
  host.error("hello_first");
  assert.deepEqual(held(host), []);
});

test("a drain lets the block in hand be finished, and returns the others", () => {
  const host = working([1n, 2n], { settings: { prefetch: 1 } });
  host.hear("drain", { reason: "fewer workers are wanted" });
  const results = [{ lease: 2n, status: "returned" }];
  assert.deepEqual(host.take(), [["release", { results }]]);
  host.work(3n);
  assert.deepEqual(host.kinds(), ["release"]);
  host.done(1n);
  assert.deepEqual(host.kinds(), ["release", "bye", "ended", "close"]);
});

test("a drain ends a worker that waits", () => {
  const host = working([]);
  host.hear("drain", { reason: "" });
  assert.deepEqual(host.kinds().slice(-3), ["bye", "ended", "close"]);
});

test("leave stops the work, and what it gives is dropped", () => {
  const host = working([1n, 2n], { settings: { prefetch: 1 } });
  host.hear("leave", { reason: "the job was cancelled" });
  assert.deepEqual(host.take(), [["lost", 1n]]);
  host.done(1n);
  assert.deepEqual(host.kinds(), ["bye", "ended", "close"]);
});

test("a worker that is stopped while a request waits takes the request back", () => {
  const host = working([]);
  host.session.stop("SIGTERM", host.now);
  assert.deepEqual(host.kinds(), ["hello", "bye", "ended", "close"]);
});

test("a worker that is stopped waits for a welcome to hand in what it has, but not for ever", () => {
  const host = working([1n]);
  host.error("hello_first");
  host.done(1n, false);
  host.session.stop("SIGTERM", host.now);
  assert.deepEqual(host.kinds(), ["hello"]);
  host.welcome({ held: [1n] });
  assert.deepEqual(host.kinds(), ["release", "bye", "ended", "close"]);

  const other = working([1n]);
  other.error("hello_first");
  other.done(1n, false);
  other.session.stop("SIGTERM", other.now);
  other.take();
  other.pass(2_000);
  assert.deepEqual(other.kinds().slice(-3), ["bye", "ended", "close"]);
});

test("unknown_worker makes a worker begin anew, with the number that it was given", () => {
  const host = working([1n]);
  host.error("unknown_worker");
  const said = host.take();
  assert.deepEqual(said[0], ["lost", 1n]);
  const [, hello] = said[1];
  assert.equal(hello.worker, 0n);
  assert.equal(hello.session, 2n);
  assert.equal(hello.greeting, 1);
  assert.deepEqual(hello.held, []);
  host.welcome({ worker: 8n });
  host.done(1n);
  assert.deepEqual(host.take(), [["acquire", { want: 1 }]]);
});

test("a second unknown_worker, for what was said before the new hello, is passed over", () => {
  const host = new FakeHost({ given: 3n });
  host.welcome();
  host.next();
  host.error("unknown_worker");
  host.error("unknown_worker");
  assert.deepEqual(host.kinds(), ["hello", "acquire", "hello"]);
  host.pass(10_000);
  assert.deepEqual(host.kinds(), ["hello"]);
  host.error("unknown_worker");
  assert.deepEqual(host.take().at(-2), ["ended", "unknown_worker"]);
});

test("many results are handed in again with several messages", () => {
  const host = working([1n], { welcome: { durable: true } });
  for (let lease = 1n; lease <= 100n; lease += 1n) {
    host.done(lease);
    host.work(lease + 1n);
  }
  host.error("hello_first");
  host.take();
  const held = Array.from({ length: 101 }, (_, i) => BigInt(i + 1));
  host.welcome({ durable: true, held });
  const sizes = host.take().map(([, { results }]) => results.length);
  assert.deepEqual(sizes, [60, 40]);
});

test("unknown_worker ends a worker whose number came from a launcher", () => {
  const host = new FakeHost({ given: 7n });
  host.welcome();
  host.take();
  host.error("unknown_worker");
  assert.deepEqual(host.take().at(-2), ["ended", "unknown_worker"]);
});

test("a hello that is refused ends the worker, but hello_first does not", () => {
  const host = new FakeHost();
  host.error("hello_first");
  host.take();
  host.error("unknown_task");
  assert.deepEqual(host.take().at(-2), ["ended", "unknown_task"]);
});

test("other errors are reported, and change nothing", () => {
  const host = working([1n]);
  host.error("bad_message");
  host.error("a_code_of_the_future");
  assert.deepEqual(host.kinds(), ["warn", "warn"]);
  host.error("unauthorized");
  assert.ok(host.take().some(([kind, code]) => kind === "ended" && code === "unauthorized"));
});

test("limit makes a worker ask for less", () => {
  const host = new FakeHost({ prefetch: 1000 });
  host.next();
  host.welcome();
  assert.deepEqual(host.take().at(-1), ["acquire", { want: 1001 }]);
  host.error("limit");
  assert.deepEqual(host.take().at(-1), ["acquire", { want: 1 }]);
});

test("a broker of another version ends the worker", () => {
  const host = new FakeHost();
  host.take();
  host.welcome({ version: 2 });
  assert.deepEqual(host.take().at(-2), ["ended", "version"]);
});

test("a broker that never answers is given up after the time to connect", () => {
  const host = new FakeHost({ connectMs: 10_000 });
  host.take();
  host.pass(10_000);
  assert.deepEqual(host.take().at(-2), ["ended", "no_broker"]);
});

test("a hello is said again, and over another socket, while the broker is silent", () => {
  const host = new FakeHost();
  host.take();
  host.pass(20_000);
  assert.deepEqual(host.kinds(), ["hello", "reopen", "hello"]);
});

test("after a welcome that comes late, a pong must say that leases last", () => {
  const host = working([], { welcome: { lease_ms: 8000, heartbeat_ms: 2000 } });
  host.error("hello_first");
  host.pass(12_000);
  assert.deepEqual(host.kinds(), ["hello", "hello"]);
  host.welcome({ lease_ms: 8000, heartbeat_ms: 2000 });
  host.pass(10);
  const [[kind, { nonce }], ...more] = host.take();
  assert.deepEqual([kind, more], ["ping", []]);
  host.hear("pong", { nonce: BigInt(nonce) });
  assert.deepEqual(host.kinds(), ["acquire"]);
});

test("a process that was stopped for an hour does not take the broker for gone", () => {
  const host = working([]);
  host.answersPings = true;
  host.now += 3_600_000;
  host.session.tick(host.now);
  assert.ok(!host.kinds().includes("ended"));
});
