// The codec against tests/conformance/vectors: what a broker says, and what this package says.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { read, write } from "../dist/messages.js";
import { decode, Float, Pairs } from "../dist/msgpack.js";

const FOLDER = new URL("../../../tests/conformance/vectors/", import.meta.url);
const VECTORS = new Map(
  readdirSync(FOLDER).map((name) => [name.replace(".json", ""), parsed(new URL(name, FOLDER))]),
);
const ENVELOPE = VECTORS.get("envelope");
VECTORS.delete("envelope");

const SAID_BY_WORKERS = ["hello", "acquire", "release", "ping", "bye"];
const SAID_BY_CLIENTS = "submit status cancel watch explain retry_failed pause resume set_workers";
const SAID = [...SAID_BY_WORKERS, ...SAID_BY_CLIENTS.split(" "), "worker_gone"];
const LAUNCHERS = ["launch", "stop", "launched", "exited"];
const HEARD = [...VECTORS.keys()].filter((kind) => ![...SAID, ...LAUNCHERS].includes(kind));

/** JSON, with integers beyond 2^53 as bigints. */
function parsed(path) {
  const text = readFileSync(path, "utf8").replace(/([\s[:])(-?\d{16,})(?=[\s,\]}])/g, '$1"$2n"');
  return JSON.parse(text, (_, value) =>
    typeof value === "string" && /^-?\d{16,}n$/.test(value) ? BigInt(value.slice(0, -1)) : value,
  );
}

/** Whether `found` says all that `meant` says; what was left out has defaults. */
function says(found, meant) {
  if (typeof found === "bigint" || typeof meant === "bigint")
    return BigInt(found) === BigInt(meant);
  if (typeof meant !== "object") return found === meant;
  if (found?.offset) return says([found.offset, found.shape], meant);
  const keys = Object.keys(meant);
  if (Array.isArray(meant) && found.length !== meant.length) return false;
  return keys.every((key) => key in found && says(found[key], meant[key]));
}

/** A tree as plain data: a float that is whole may come as an integer. */
function plain(tree) {
  if (tree instanceof Float) return tree.value;
  if (Array.isArray(tree)) return tree.map(plain);
  if (!(tree instanceof Pairs)) return tree;
  return Object.fromEntries([...tree.values].sort().map(([key, value]) => [key, plain(value)]));
}

const bytes = (hex) => Buffer.from(hex, "hex");

for (const kind of HEARD) {
  test(`${kind} is read in every encoding`, () => {
    const { message, encodings } = VECTORS.get(kind);
    assert.ok(encodings.length > 5);
    for (const { how, hex } of encodings) {
      const found = read(bytes(hex));
      assert.equal(found?.kind, kind, "a kind that this package does not know");
      assert.ok(says(found.fields, message[1]), `${how}: ${kind}`);
    }
  });

  test(`${kind} is refused where it is malformed`, () => {
    for (const { how, hex, code, names } of VECTORS.get(kind).refused) {
      assert.throws(() => read(bytes(hex)), { code }, how);
      if (!names) continue;
      assert.throws(
        () => read(bytes(hex)),
        (error) => error.message.includes(names),
        how,
      );
    }
  });
}

for (const kind of SAID) {
  test(`${kind} is written so that it means what it says`, () => {
    const { message, encodings } = VECTORS.get(kind);
    const written = plain(decode(write(kind, message[1])));
    assert.deepEqual(written, plain(decode(bytes(encodings[0].hex))));
  });
}

test("what is no message is refused, and an unknown kind is not heard", () => {
  for (const { how, hex, code } of ENVELOPE.refused) {
    if (how === "a key that is an integer") continue; // in a kind that nobody says to a worker
    if (code === "unknown_kind") assert.equal(read(bytes(hex)), undefined);
    else assert.throws(() => read(bytes(hex)), { code }, how);
  }
});

test("what cannot be said is refused with its place", () => {
  const job = (timeout) => ({ job: { tasks: [{ timeout }] } });
  assert.throws(() => write("submit", job(null)), /submit\.job\.tasks\[0\]\.timeout is null/);
  assert.throws(() => write("submit", job(new Date())), /a Date/);
  assert.throws(() => write("submit", job(Number.NaN)), /NaN: a finite number/);
  assert.throws(() => write("submit", job(2n ** 63n)), /9223372036854775808/);
  assert.throws(() => write("bye", { reason: "x".repeat(1 << 20) }), { code: "too_large" });
  assert.deepEqual(plain(decode(write("bye", { reason: undefined }))), ["bye", {}]);
});

test("numbers of any size and texts of any length are read as they were written", () => {
  const edges = [0, 127, 128, 255, 256, 65535, 65536, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1];
  const numbers = [...edges, ...edges.map((one) => -one), 2n ** 53n, 2n ** 63n - 1n, -(2n ** 63n)];
  const texts = [0, 31, 32, 255, 256, 65535, 65536].map((size) => "é".repeat(size / 2));
  const found = plain(decode(write("x", { numbers, texts })))[1];
  assert.deepEqual(found.numbers.map(BigInt), numbers.map(BigInt));
  assert.deepEqual(found.texts, texts);
});
