// A client, with a broker that does what the test says.
import assert from "node:assert/strict";
import { test } from "node:test";
import { BrokerError, Control } from "../dist/index.js";
import { FakeBroker } from "./fake_broker.js";

const RUNNING = {
  job: "job-1",
  name: "smooth",
  state: "running",
  tasks: [{ task: "a", blocks: 4 }],
};
const COMPLETED = { ...RUNNING, state: "completed", elapsed_s: 1.5 };

async function play(script) {
  const broker = await FakeBroker.start();
  const connected = Control.connect({ endpoint: broker.endpoint, token: "secret" });
  const hello = await broker.welcome();
  const control = await connected;
  try {
    assert.equal(hello.role, "client");
    assert.equal(hello.token, "secret");
    await script(control, broker);
  } finally {
    await control.close();
    broker.close();
  }
}

/** The broker gets `asked`, answers with `answer`, and the method resolves to `value`. */
async function ask(broker, promise, [kind, asked], [answer, fields], value) {
  const { req, ...rest } = await broker.expect(kind);
  assert.deepEqual(rest, asked);
  await broker.send(answer, { req, ...fields });
  assert.deepEqual(await promise, value);
}

test("each request has its answer", async () => {
  await play(async (control, broker) => {
    const job = { job: "j" };
    const ok = ["ok", {}];
    await ask(
      broker,
      control.cancel("j", "no"),
      ["cancel", { ...job, reason: "no" }],
      ["cancelled", job],
    );
    await ask(broker, control.pause("j"), ["pause", { ...job, task: "" }], ok);
    await ask(broker, control.resume("j", "t"), ["resume", { ...job, task: "t" }], ok);
    const many = { ...job, task: "t", group: 1, count: 16 };
    await ask(broker, control.setWorkers("j", 16, "t", 1), ["set_workers", many], ok);
    await ask(broker, control.workerGone(12n), ["worker_gone", { worker: 12 }], ok);
    await ask(
      broker,
      control.retryFailed("j"),
      ["retry_failed", job],
      ["retried", { ...job, blocks: 2 }],
      2,
    );
    const why = { summary: "worker 3 works on it", steps: [] };
    const about = { block: 7n, task: "t" };
    await ask(
      broker,
      control.explain("j", about),
      ["explain", { ...job, block: 7, task: "t" }],
      ["explained", why],
      why,
    );
  });
});

test("a job is submitted with its keys, and a refusal has the broker's code and sentence", async () => {
  await play(async (control, broker) => {
    const submitted = control.submit({ name: "größe", tasks: [] }, { fresh: true });
    const { req, fresh, job } = await broker.expect("submit");
    assert.equal(fresh, true);
    assert.equal(job.name, "größe");
    assert.equal(typeof job.origin.user, "string");
    await broker.send("submitted", { req, job: "job-1", resumed: true, done: 3, run: "r" });
    assert.deepEqual(await submitted, { job: "job-1", resumed: true, done: 3, run: "r" });

    const refused = control.submit({ tasks: [] });
    const again = await broker.expect("submit");
    await broker.send("error", {
      req: again.req,
      code: "invalid_spec",
      message: "tasks: at least 1",
    });
    await assert.rejects(refused, (error) => {
      assert.ok(error instanceof BrokerError);
      assert.deepEqual([error.code, error.message], ["invalid_spec", "tasks: at least 1"]);
      return true;
    });
    await assert.rejects(
      control.submit({ tasks: [{ task_id: "a", timeout: null }] }),
      /timeout is null/,
    );
  });
});

test("requests of one connection may be answered in another order", async () => {
  await play(async (control, broker) => {
    const first = control.status("a");
    const second = control.status("b");
    const reqs = [(await broker.expect("status")).req, (await broker.expect("status")).req];
    await broker.send("jobs", { req: reqs[1], jobs: [COMPLETED] });
    assert.equal((await second)[0].state, "completed");
    await broker.send("jobs", { req: reqs[0], jobs: [RUNNING] });
    const [status] = await first;
    assert.deepEqual(
      [status.state, status.tasks[0].blocks, status.tasks[0].failed],
      ["running", 4, 0],
    );
  });
});

test("a watch goes on after a restart of the broker, and ends with the job", async () => {
  await play(async (control, broker) => {
    const states = [];
    const watched = (async () => {
      for await (const status of control.watch("job-1", 50)) {
        states.push(status.state);
        if (states.length === 1) await broker.send("error", { code: "hello_first", message: "" });
      }
    })();
    const { req, ...asked } = await broker.expect("watch");
    assert.deepEqual(asked, { job: "job-1", interval_ms: 50 });
    await broker.send("progress", { req, status: RUNNING });
    await broker.welcome();
    assert.equal((await broker.expect("watch")).req, req);
    await broker.send("ended", { req, status: COMPLETED });
    await watched;
    assert.deepEqual(states, ["running", "completed"]);

    const last = control.wait("job-1");
    await broker.send("ended", { req: (await broker.expect("watch")).req, status: COMPLETED });
    assert.equal((await last).elapsed_s, 1.5);
  });
});

test("what is open when it is closed, or asked later, is rejected", async () => {
  await play(async (control, broker) => {
    const open = control.status();
    const rejected = assert.rejects(open, { code: "closed" });
    await broker.expect("status");
    await control.close();
    await rejected;
    await broker.expect("bye");
    await assert.rejects(control.status(), { code: "closed" });
  });
});

test("a broker that does not answer is reported", async () => {
  const options = { endpoint: "tcp://127.0.0.1:1", connectTimeout: 0.3 };
  await assert.rejects(Control.connect(options), {
    code: "no_broker",
    message: /tcp:\/\/127.0.0.1:1/,
  });
});
