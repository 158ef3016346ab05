// A worker for `bellis conformance` (tests/conformance/README.md).
//
//     node conforming.js [sync]       sync: the process does nothing else while it works on a block
import { setTimeout as pause } from "node:timers/promises";
import { work } from "../../dist/index.js";

const isSync = process.argv[2] === "sync";
const ms = Number(process.env.BELLIS_CONFORMANCE_MS ?? 0);
const errorBytes = Number(process.env.BELLIS_CONFORMANCE_ERROR_BYTES ?? 0);

await work((block) => {
  if (errorBytes > 0) throw "x".repeat(errorBytes);
  if (!isSync) return pause(ms, undefined, { signal: block.signal });
  if (ms > 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
});
