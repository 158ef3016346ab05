// A worker: `pause` milliseconds of work a block, from the command line. BELLIS_ENDPOINT and so on say
// where the broker is; a launcher sets them.
import { setTimeout as pause } from "node:timers/promises";
import { work } from "bellis";

const ms = Number(process.argv[2] ?? 0);

const blocks = await work(async (block) => {
  if (ms > 0) await pause(ms, undefined, { signal: block.signal });
});
console.log(`${blocks} blocks`);
