// A script of tests/clients/test_node.py, which asks a real broker for everything that a client can.
import assert from "node:assert/strict";
import { BrokerError, Control } from "../../dist/index.js";

const task = (name, more) => ({
  task_id: name,
  total_roi: [[0], [40]],
  read_roi: [[0], [10]],
  write_roi: [[0], [10]],
  read_write_conflict: false,
  ...more,
});
const control = await Control.connect();
assert.match(control.broker, /^bellis/);

await assert.rejects(
  control.submit({ tasks: [task("a", { total_roi: 7 })] }),
  (error) =>
    error instanceof BrokerError && error.code === "invalid_spec" && /total_roi/.test(error),
);
const { job, resumed } = await control.submit({
  name: "n",
  tasks: [task("a", { external_workers: true })],
});
assert.equal(resumed, false);
const [status] = await control.status(job);
assert.deepEqual([status.state, status.tasks[0].blocks, status.tasks[0].ready], ["running", 4, 4]);
await control.pause(job);
assert.equal((await control.status(job))[0].tasks[0].paused, true);
await control.resume(job);
const why = await control.explain(job, { block: 0n });
assert.equal(why.steps[0].state, "ready");
await assert.rejects(control.explain("nobody", { block: 0n }), { code: "unknown_job" });
await assert.rejects(control.workerGone(77n), { code: "unknown_worker" });
await assert.rejects(control.setWorkers(job, 2, "a", 5), { code: "invalid_spec" });
assert.equal(await control.retryFailed(job), 0);

const states = [];
const watched = (async () => {
  for await (const one of control.watch(job, 20)) {
    if (states.push(one.state) === 1) await control.cancel(job, "wrong file");
  }
})();
await watched;
assert.equal(states[0], "running");
assert.equal(states.at(-1), "cancelled");
assert.equal((await control.wait(job)).reason, "wrong file");
assert.equal((await control.status()).length, 1);
await assert.rejects(control.retryFailed(job), { code: "storage" });
await control.close();
console.log("all is well");
