/**
 * Readers check the values of a message: the type, the range, that a key does not stand twice. What
 * they refuse is a BrokerError of code `bad_message` that names the place, the value and what is
 * accepted.
 */
import { BrokerError } from "./errors.js";
import { Float, Pairs, type Tree, Unreadable } from "./msgpack.js";

/** Reads the value at `where`; undefined: there is none. */
export type Reader<T> = (value: Tree | undefined, where: string) => T;

export type Integer = number | bigint;

export function refused(value: Tree | undefined, where: string, accepted: string): BrokerError {
  const is = value === undefined ? "is missing" : `is ${nameOf(value)}`;
  return new BrokerError("bad_message", `${where} ${is}: ${accepted} is accepted`);
}

function nameOf(value: Tree): string {
  if (value === null) return "nil";
  if (typeof value === "string") return JSON.stringify(value.slice(0, 80));
  if (value instanceof Float) return `the float ${value.value}`;
  if (value instanceof Unreadable) return value.what;
  if (value instanceof Uint8Array) return "bin";
  if (value instanceof Pairs) return "a map";
  return Array.isArray(value) ? `an array of ${value.length}` : String(value);
}

/** An integer, a number where that is exact. */
function integer(low: bigint, high: bigint, accepted: string): Reader<Integer> {
  return (value, where) => {
    const isInteger = typeof value === "number" || typeof value === "bigint";
    if (!isInteger || value < low || value > high) throw refused(value, where, accepted);
    return value;
  };
}

const ANY_UINT = integer(0n, 2n ** 63n - 1n, "an integer from 0 to 2^63-1");
const ANY_INT = integer(-(2n ** 63n), 2n ** 63n - 1n, "an integer from -2^63 to 2^63-1");
const ANY_UINT32 = integer(0n, 2n ** 32n - 1n, "an integer from 0 to 2^32-1");

/** A name: of a lease, a block, a worker. */
export const uint: Reader<bigint> = (value, where) => BigInt(ANY_UINT(value, where));
export const int: Reader<bigint> = (value, where) => BigInt(ANY_INT(value, where));
/** A number of things. Beyond 2^53 it is rounded. */
export const count: Reader<number> = (value, where) => Number(ANY_UINT(value, where));
export const uint32: Reader<number> = (value, where) => Number(ANY_UINT32(value, where));

export const float: Reader<number> = (value, where) => {
  if (typeof value === "number" || typeof value === "bigint") return Number(value);
  if (!(value instanceof Float) || !Number.isFinite(value.value)) {
    throw refused(value, where, "a finite number");
  }
  return value.value;
};

export const bool: Reader<boolean> = (value, where) => {
  if (typeof value !== "boolean") throw refused(value, where, "true or false");
  return value;
};

export const text: Reader<string> = (value, where) => {
  if (typeof value !== "string") throw refused(value, where, "a UTF-8 text");
  return value;
};

export function array<T>(read: Reader<T>): Reader<T[]> {
  return (value, where) => {
    if (!Array.isArray(value)) throw refused(value, where, "an array");
    return value.map((one, i) => read(one, `${where}[${i}]`));
  };
}

const DIMENSIONS_MAX = 8;

/** A ROI whose numbers may be beyond 2^53. */
export interface WideRoi {
  offset: Integer[];
  shape: Integer[];
}

const INTS = array(ANY_INT);

export const roi: Reader<WideRoi> = (value, where) => {
  const accepted = `[offset, shape] of 1 to ${DIMENSIONS_MAX} integers each, shape >= 0,`;
  if (!Array.isArray(value) || value.length !== 2) throw refused(value, where, accepted);
  const offset = INTS(value[0], `${where}[0]`);
  const shape = INTS(value[1], `${where}[1]`);
  const isRoi =
    offset.length === shape.length &&
    shape.length >= 1 &&
    shape.length <= DIMENSIONS_MAX &&
    shape.every((one) => one >= 0);
  if (!isRoi) throw refused(value, where, accepted);
  return { offset, shape };
};

/** A field that may be left out. */
export function or<T>(read: Reader<T>, otherwise: T): Reader<T> {
  return (value, where) => (value === undefined ? otherwise : read(value, where));
}

type Values<S> = { [K in keyof S]: S[K] extends Reader<infer T> ? T : never };

/** A map with the keys of `schema`. Other keys are ignored. */
export function record<S extends Record<string, Reader<unknown>>>(schema: S): Reader<Values<S>> {
  const fields = Object.entries(schema);
  return (value, where) => {
    if (!(value instanceof Pairs)) throw refused(value, where, "a map");
    if (value.hasOtherKeys) {
      throw new BrokerError(
        "bad_message",
        `${where} has a key that is no text: texts are accepted`,
      );
    }
    const found: Record<string, unknown> = {};
    for (const [key, read] of fields) {
      if (value.twice.has(key)) {
        throw new BrokerError("bad_message", `${where}.${key} stands twice: once is accepted`);
      }
      found[key] = read(value.values.get(key), `${where}.${key}`);
    }
    return found as Values<S>;
  };
}
