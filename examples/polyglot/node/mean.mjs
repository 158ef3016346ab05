import { openSync, readSync, writeSync } from "node:fs";
import { work } from "../../../client/node/dist/index.js"; // of a package that is installed: "bellis"

const [, ny, nz] = process.env.POLYGLOT_SHAPE.split(" ").map(Number);
const scan = openSync(process.env.POLYGLOT_INPUT, "r");
const mean = openSync(process.env.POLYGLOT_OUTPUT, "r+");

function read(size, place) {
  const bytes = Buffer.alloc(size);
  if (readSync(scan, bytes, 0, size, place) < size)
    throw new Error(`the scan ends before ${place + size}`);
  return bytes;
}

await work((block) => {
  const [x0, y0, z0] = block.write.offset;
  const [dx, dy, dz] = block.write.shape;
  const steps = [-1, 0, 1];
  for (let x = x0; x < x0 + dx; x += 1) {
    for (let y = y0; y < y0 + dy; y += 1) {
      const rows = steps.flatMap((i) =>
        steps.map((j) => read(dz + 2, ((x + i) * ny + y + j) * nz + z0 - 1)),
      );
      const sum = (z) => rows.reduce((all, row) => all + row[z] + row[z + 1] + row[z + 2], 0);
      const means = Buffer.from(
        Array.from({ length: dz }, (_, z) => Math.floor((sum(z) + 13) / 27)),
      );
      writeSync(mean, means, 0, dz, (x * ny + y) * nz + z0);
    }
  }
});
