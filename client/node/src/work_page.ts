/**
 * Where a launcher finds what this worker worked on when its process is gone (WORKERS.md, "What a worker
 * works on"), so that only that block has a failed attempt.
 *
 * Node cannot lock a part of a file. So a connection of Node takes the last free place of the page, and
 * not the first one, which those that lock it look for. Places are taken in the main thread, one after
 * the other. Two processes of Node under one worker id could still meet: then one of them notes nothing.
 */
import { closeSync, constants, openSync, readlinkSync, readSync, writeSync } from "node:fs";
import { endianness } from "node:os";

/** A place in a page: plain data, which goes to another thread. */
export interface Place {
  path: string;
  at: number;
}

const PAGE_BYTES = 4096;
const PLACE_BYTES = 16;
const FIRST_PLACE = 16;
/** No worker's number: the place is taken, by one that was not welcomed yet. */
const NOBODY = 2n ** 64n - 1n;
const isLittle = endianness() === "LE";

/** Takes a place in the page that BELLIS_WORK_PAGE names; undefined: there is no page, or no place. */
export function takePlace(name: string): Place | undefined {
  const parsed = /^(.*):([0-9]+):([0-9]+)$/s.exec(name);
  const [, path = "", offset = "", key = ""] = parsed ?? [];
  if (!path || !isWorkPages(path)) return undefined;
  const start = Number(offset);
  return withFile(path, (file) => {
    const page = Buffer.alloc(PAGE_BYTES);
    if (readSync(file, page, 0, PAGE_BYTES, start) < PAGE_BYTES) return undefined;
    if (page.toString("latin1", 0, 8) !== "BELLISWP" || number(page, 8) !== BigInt(key))
      return undefined;
    for (let at = PAGE_BYTES - PLACE_BYTES; at >= FIRST_PLACE; at -= PLACE_BYTES) {
      if (number(page, at) !== 0n) continue;
      writeSync(file, pair(NOBODY, 0n), 0, PLACE_BYTES, start + at);
      return { path, at: start + at };
    }
    return undefined;
  });
}

/** The note in a place. It belongs to one thread. */
export class WorkNote {
  #file: number | undefined;
  readonly #at: number;
  #worker = NOBODY;
  #lease = 0n;

  constructor({ path, at }: Place) {
    this.#at = at;
    this.#file = openPage(path);
  }

  /** The number under which this connection works from now on. */
  setWorker(worker: bigint): void {
    this.#worker = worker;
    this.#write(worker, this.#lease);
  }

  /** It works on this lease; 0: on none. */
  setLease(lease: bigint): void {
    this.#lease = lease;
    this.#write(this.#worker, lease);
  }

  /** Frees the place. */
  close(): void {
    this.#write(0n, 0n);
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }

  #write(worker: bigint, lease: bigint): void {
    if (this.#file === undefined) return;
    writeSync(this.#file, pair(worker, lease), 0, PLACE_BYTES, this.#at);
  }
}

/** Whether the path leads to work pages, and not to another file, which it may do harm to open. */
function isWorkPages(path: string): boolean {
  try {
    return readlinkSync(path).startsWith("/memfd:bellis-work");
  } catch {
    return false;
  }
}

function openPage(path: string): number | undefined {
  try {
    return openSync(path, constants.O_RDWR | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch {
    return undefined; // the launcher is gone
  }
}

function withFile<T>(path: string, use: (file: number) => T | undefined): T | undefined {
  const file = openPage(path);
  if (file === undefined) return undefined;
  try {
    return use(file);
  } finally {
    closeSync(file);
  }
}

function number(page: Buffer, at: number): bigint {
  return isLittle ? page.readBigUInt64LE(at) : page.readBigUInt64BE(at);
}

function pair(first: bigint, second: bigint): Buffer {
  const bytes = Buffer.alloc(PLACE_BYTES);
  for (const [i, value] of [first, second].entries()) {
    if (isLittle) bytes.writeBigUInt64LE(value, 8 * i);
    else bytes.writeBigUInt64BE(value, 8 * i);
  }
  return bytes;
}
