// Workers as processes, with a broker that does what the test says.
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { FakeBroker, Program } from "./fake_broker.js";

const COUNT = `console.log("blocks", await bellis.work(() => {}));`;

/** Rejects when the program has ended for so long that nothing of it can be on its way any more. */
async function endedTooEarly(program) {
  await program.ended;
  await pause(10_000, undefined, { ref: false });
  assert.fail(`it ended too early: ${program.err}`);
}

/** Runs `script` with a broker and a program, and returns how the program ended. */
async function play(text, script, env = {}) {
  const broker = await FakeBroker.start();
  const program = new Program(text, { ...broker.env, ...env });
  const early = endedTooEarly(program);
  early.catch(() => {});
  try {
    await Promise.race([script(broker, program), early]);
    return { ...(await program.ended), out: program.out.trim(), err: program.err };
  } finally {
    program.process.kill("SIGKILL");
    broker.close();
  }
}

/** Welcomes a worker and gives it one block. */
async function giveOne(broker, welcome = {}) {
  await broker.welcome({ lease_ms: 0, ...welcome });
  await broker.expect("acquire");
  await broker.work(1);
}

async function end(broker) {
  await broker.send("leave", { reason: "the task is done" });
  await broker.expect("bye");
}

test("a worker says who it is, works until it is told to leave, and exits with 0", async () => {
  const env = { BELLIS_JOB: "job-1", BELLIS_TASK: "größe", BELLIS_WORKER_ID: "9007199254740993" };
  const script = async (broker) => {
    const hello = await broker.welcome({ worker: 2n ** 53n + 1n });
    assert.equal(hello.role, "worker");
    assert.equal(hello.job, "job-1");
    assert.equal(hello.task, "größe");
    assert.equal(hello.worker, 9007199254740993n);
    assert.equal(hello.heartbeat_ms, 250);
    assert.equal(hello.token, "secret");
    assert.match(hello.machine, /^[0-9a-f-]{36}:pid:\[\d+\]$/);
    assert.deepEqual(await broker.expect("acquire"), { want: 1 });
    await broker.work(2n ** 62n);
    const { results, want } = await broker.expect("release");
    assert.deepEqual(results, [{ lease: 2n ** 62n, status: "completed" }]);
    assert.equal(want, 1);
    await end(broker);
  };
  const ended = await play(COUNT, script, { ...env, BELLIS_TOKEN: "secret" });
  assert.deepEqual([ended.code, ended.out, ended.err], [0, "blocks 1", ""]);
});

test("a function that throws fails its block, and the worker goes on", async () => {
  const text = `await bellis.work(async (block) => { throw new Error("disk full: " + block.id); });`;
  const ended = await play(text, async (broker) => {
    await giveOne(broker);
    const { results, want } = await broker.expect("release");
    assert.equal(results[0].status, "failed");
    assert.match(results[0].error, /^Error: disk full: 2\n {4}at /);
    assert.equal(want, 1);
    await end(broker);
  });
  assert.equal(ended.code, 0);
  assert.match(ended.err, /block 2 of t failed: Error: disk full/);
});

test("an error text of any length is cut to 16 KiB, and stays UTF-8", async () => {
  const text = `await bellis.work(() => { throw "a" + "é".repeat(20000); });`;
  await play(text, async (broker) => {
    await giveOne(broker);
    const { results } = await broker.expect("release");
    const size = Buffer.byteLength(results[0].error);
    assert.ok(size > 16000 && size <= 16384, `${size} bytes`);
    assert.ok(!results[0].error.includes("\ufffd"));
    await end(broker);
  });
});

test("the value of a checker's function is its answer", async () => {
  const text = `await bellis.work((block) => block.lease === 1n);`;
  const script = async (broker) => {
    const hello = await broker.welcome({ duty: "check" });
    assert.equal(hello.duty, "check");
    await broker.expect("acquire");
    await broker.work(1);
    assert.deepEqual((await broker.expect("release")).results, [{ lease: 1, status: "completed" }]);
    await broker.work(2);
    assert.deepEqual((await broker.expect("release")).results, [{ lease: 2, status: "failed" }]);
    await end(broker);
  };
  assert.equal((await play(text, script, { BELLIS_DUTY: "check" })).code, 0);
});

test("a ROI that a number of JavaScript cannot hold fails the block with a text that says so", async () => {
  await play(COUNT, async (broker) => {
    await broker.welcome();
    await broker.expect("acquire");
    const roi = [[2n ** 53n], [1]];
    await broker.send("work", { blocks: [{ lease: 1, index: 1, id: 2, read: roi, write: roi }] });
    const { results, want } = await broker.expect("release");
    assert.match(results[0].error, /block 2 has 9007199254740992/);
    assert.equal(want, 1);
    await end(broker);
  });
});

test("a worker with a loop of its own hands in, fails and gives back", async () => {
  const text = `
    const worker = await bellis.Worker.connect();
    (await worker.acquire()).release();
    (await worker.acquire()).fail("no");
    const block = await worker.acquire();
    block.giveBack();
    block.release();
    console.log(worker.id, worker.job, worker.task, worker.slot, block.read.shape, block.isReleased);
    await worker.acquire();
    await worker.close();`;
  const ended = await play(text, async (broker) => {
    await giveOne(broker, { slot: 3 });
    for (const [lease, status] of ["completed", "failed", "returned"].entries()) {
      const { results } = await broker.expect("release");
      assert.equal(results[0].status, status);
      await broker.expect("acquire");
      await broker.work(lease + 2);
    }
    assert.deepEqual((await broker.expect("release")).results, [{ lease: 4, status: "returned" }]);
    await broker.expect("bye");
  });
  assert.deepEqual([ended.code, ended.out], [0, "7n j t 3 [ 1 ] true"]);
});

test("a worker that is refused ends with the broker's sentence and another code than 0", async () => {
  const ended = await play(COUNT, async (broker) => {
    await broker.expect("hello");
    await broker.send("error", { code: "unknown_task", message: "no task has this name" });
  });
  assert.equal(ended.code, 1);
  assert.match(ended.err, /BrokerError: no task has this name/);
  assert.match(ended.err, /unknown_task/);
});

test("SIGTERM ends a worker that waits, and one that awaits in its function", async () => {
  const waits = await play(COUNT, async (broker, program) => {
    await broker.welcome();
    await broker.expect("acquire");
    program.process.kill("SIGTERM");
    await broker.expect("hello"); // the request is taken back
    await broker.expect("bye");
  });
  assert.deepEqual([waits.code, waits.out], [0, "blocks 0"]);

  const text = `
    import { setTimeout as pause } from "node:timers/promises";
    const blocks = await bellis.work((block) => {
      console.log("begun");
      return pause(1e6, undefined, { signal: block.signal });
    });
    console.log("blocks", blocks);`;
  const works = await play(text, async (broker, program) => {
    await giveOne(broker);
    while (!program.out.includes("begun")) await pause(5);
    program.process.kill("SIGINT");
    assert.deepEqual((await broker.expect("release")).results, [{ lease: 1, status: "returned" }]);
    await broker.expect("bye");
  });
  assert.deepEqual([works.code, works.out], [0, "begun\nblocks 0"]);
});

test("a function that computes is kept alive by pings, and killed with its children without", async () => {
  const text = `
    import { spawn } from "node:child_process";
    await bellis.work(() => {
      const child = spawn("sleep", ["1000"], { detached: true });
      console.log(child.pid);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    });`;
  let pings = 0;
  const ended = await play(text, async (broker) => {
    await giveOne(broker, { lease_ms: 4000, heartbeat_ms: 100 });
    await broker.expectPings(5);
    broker.answersPings = false;
    pings = broker.pings;
  });
  assert.ok(pings >= 5);
  assert.equal(ended.signal, "SIGKILL");
  const child = Number(ended.out);
  assert.ok(child > 0);
  while (existsSync(`/proc/${child}/exe`)) await pause(5);
});

test("a worker that is lost while it computes says hello of itself, and goes on", async () => {
  const folder = mkdtempSync(join(tmpdir(), "bellis-test-"));
  const gate = join(folder, "open");
  const text = `
    import { existsSync } from "node:fs";
    const nap = new Int32Array(new SharedArrayBuffer(4));
    await bellis.work(() => { while (!existsSync(${JSON.stringify(gate)})) Atomics.wait(nap, 0, 0, 5); });`;
  const ended = await play(text, async (broker) => {
    await giveOne(broker, { durable: true });
    await broker.send("error", { code: "hello_first", message: "" });
    const again = await broker.welcome({ durable: true, held: [1] });
    assert.equal(again.greeting, 2);
    assert.deepEqual(again.held, [{ lease: 1, index: 1, attempt: 1 }]);
    writeFileSync(gate, "");
    const { results } = await broker.expect("release");
    assert.deepEqual(results, [{ lease: 1, status: "completed" }]);
    await end(broker);
  });
  rmSync(folder, { recursive: true });
  assert.equal(ended.code, 0);
});

test("settings that are wrong are refused with what is accepted", async () => {
  const cases = [
    [{}, /BELLIS_ENDPOINT is not set/],
    [{ BELLIS_ENDPOINT: "tcp://*:1" }, /BELLIS_ENDPOINT is "tcp:\/\/\*:1"/],
    [{ BELLIS_ENDPOINT: "ipc://x", BELLIS_HEARTBEAT_MS: "-1" }, /milliseconds from 0 to 3600000/],
    [{ BELLIS_ENDPOINT: "ipc://x", BELLIS_PREFETCH: "many" }, /auto, or an integer from 0 to 1023/],
    [{ BELLIS_ENDPOINT: "ipc://x", BELLIS_WORKER_ID: "x" }, /BELLIS_WORKER_ID is "x"/],
    [{ BELLIS_ENDPOINT: "ipc://x", BELLIS_DUTY: "play" }, /work, check or post_check/],
    [{ BELLIS_ENDPOINT: "ipc://x", BELLIS_SERVER_KEY: "short" }, /server_key has 5 characters/],
    [{ BELLIS_ACCESS: "/nonexistent" }, /access file "\/nonexistent" cannot be used/],
  ];
  const programs = cases.map(([env]) => new Program(COUNT, { PATH: process.env.PATH, ...env }));
  for (const [i, [, said]] of cases.entries()) {
    assert.equal((await programs[i].ended).code, 1);
    assert.match(programs[i].err, said);
  }
});
