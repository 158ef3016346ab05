// A worker of tests/clients/test_node.py: it writes down, in its folder, what it has begun and done.
//
//     node worker.js MILLISECONDS HOW
//
// HOW is async; sync: the process does nothing else meanwhile; gate: until there is a file `open`; die: of
// block 7.
import { appendFileSync, existsSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { work } from "../../dist/index.js";

const [ms, how] = process.argv.slice(2);
const nap = new Int32Array(new SharedArrayBuffer(4));

function begin(block) {
  if (block.read.offset[0] !== Number(block.index) * 10) throw new Error("a wrong ROI");
  appendFileSync("begun", `${block.index}\n`);
  if (how === "die" && block.index === 7n) {
    appendFileSync("deaths", "x");
    process.kill(process.pid, "SIGKILL");
  }
  if (how === "sync") Atomics.wait(nap, 0, 0, Number(ms));
}

console.log(
  await work(async (block) => {
    begin(block);
    if (how !== "sync") await pause(Number(ms), undefined, { signal: block.signal });
    while (how === "gate" && !existsSync("open")) await pause(20);
    appendFileSync("done", `${block.index}\n`);
  }),
);
