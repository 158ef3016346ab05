/**
 * msgpack as the protocol needs it. It keeps apart what JavaScript, and libraries for it, take for the
 * same: 1 and 1.0, text and bytes, a key that stands once and one that stands twice. Integers beyond
 * 2^53 are read and written exactly, as bigint.
 */

/** A float. A plain number in a tree is an integer. */
export class Float {
  constructor(readonly value: number) {}
}

/** A map with the keys that are text. Keys of other types belong to values that nobody reads. */
export class Pairs {
  readonly values = new Map<string, Tree>();
  /** Keys that stand more than once. */
  readonly twice = new Set<string>();
  hasOtherKeys = false;
}

/** What a message must not have where it is read: an extension type, a text that is no UTF-8. */
export class Unreadable {
  constructor(readonly what: string) {}
}

export type Tree =
  | null
  | boolean
  | number
  | bigint
  | string
  | Float
  | Uint8Array
  | Unreadable
  | Tree[]
  | Pairs;

/** Deeper nesting is refused (MESSAGES.md, "Types"). */
const LEVELS_MAX = 16;
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The one value that `data` encodes. Throws an Error if that is no msgpack. */
export function decode(data: Uint8Array): Tree {
  const reader = new Reader(data);
  const tree = reader.value(0);
  if (reader.left > 0) throw new Error(`${reader.left} bytes follow the message`);
  return tree;
}

class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(data: Uint8Array) {
    this.#bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  value(level: number): Tree {
    const type = this.#bytes.readUInt8(this.#take(1));
    if (type < 0x80) return type;
    if (type < 0x90) return this.#map(type & 0x0f, level);
    if (type < 0xa0) return this.#array(type & 0x0f, level);
    if (type < 0xc0) return this.#text(type & 0x1f);
    if (type >= 0xe0) return type - 0x100;
    switch (type) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xca:
        return new Float(this.#bytes.readFloatBE(this.#take(4)));
      case 0xcb:
        return new Float(this.#bytes.readDoubleBE(this.#take(8)));
      case 0xdc:
        return this.#array(this.#uint(2), level);
      case 0xdd:
        return this.#array(this.#uint(4), level);
      case 0xde:
        return this.#map(this.#uint(2), level);
      case 0xdf:
        return this.#map(this.#uint(4), level);
      default:
        return this.#integer(type) ?? this.#sized(type);
    }
  }

  #integer(type: number): number | bigint | undefined {
    if (type >= 0xcc && type <= 0xce) return this.#uint(1 << (type - 0xcc));
    if (type === 0xcf) return exact(this.#bytes.readBigUInt64BE(this.#take(8)));
    if (type === 0xd3) return exact(this.#bytes.readBigInt64BE(this.#take(8)));
    if (type < 0xd0 || type > 0xd2) return undefined;
    const width = 1 << (type - 0xd0);
    return this.#bytes.readIntBE(this.#take(width), width);
  }

  /** Texts, bytes and extension types, whose size stands before them. */
  #sized(type: number): Tree {
    if (type >= 0xd9 && type <= 0xdb) return this.#text(this.#uint(1 << (type - 0xd9)));
    if (type >= 0xc4 && type <= 0xc6) {
      const size = this.#uint(1 << (type - 0xc4));
      const from = this.#take(size);
      return this.#bytes.subarray(from, from + size);
    }
    if (type >= 0xc7 && type <= 0xc9) {
      this.#take(this.#uint(1 << (type - 0xc7)) + 1);
    } else if (type >= 0xd4 && type <= 0xd8) {
      this.#take((1 << (type - 0xd4)) + 1);
    } else {
      throw new Error(`byte 0x${type.toString(16)} is not used by msgpack`);
    }
    return new Unreadable("an extension type");
  }

  #array(size: number, level: number): Tree[] {
    this.#check(size, level);
    const values: Tree[] = [];
    for (let i = 0; i < size; i += 1) values.push(this.value(level + 1));
    return values;
  }

  #map(size: number, level: number): Pairs {
    this.#check(size, level);
    const pairs = new Pairs();
    for (let i = 0; i < size; i += 1) {
      const key = this.value(level + 1);
      const value = this.value(level + 1);
      if (typeof key !== "string") pairs.hasOtherKeys = true;
      else if (pairs.values.has(key)) pairs.twice.add(key);
      else pairs.values.set(key, value);
    }
    return pairs;
  }

  #check(size: number, level: number): void {
    if (level >= LEVELS_MAX) throw new Error(`more than ${LEVELS_MAX} levels`);
    if (size > this.left) throw new Error(`${size} elements in ${this.left} bytes`);
  }

  #text(size: number): string | Unreadable {
    const from = this.#take(size);
    const text = this.#bytes.toString("utf8", from, from + size);
    if (!text.includes("\ufffd")) return text;
    try {
      return UTF8.decode(this.#bytes.subarray(from, from + size));
    } catch {
      return new Unreadable("a text that is not UTF-8");
    }
  }

  #uint(width: number): number {
    return this.#bytes.readUIntBE(this.#take(width), width);
  }

  /** Where the next `size` bytes begin. */
  #take(size: number): number {
    if (size > this.left) throw new Error("the message is cut off");
    const from = this.#at;
    this.#at += size;
    return from;
  }
}

function exact(value: bigint): number | bigint {
  const small = Number(value);
  return Number.isSafeInteger(small) ? small : value;
}

/**
 * The bytes of `[kind, fields]`. A number that is whole is an integer, any other a float. A key whose
 * value is undefined is left out. Throws an Error that names the place of what cannot be written.
 */
export function encode(kind: string, fields: object): Buffer {
  const writer = new Writer();
  writer.pair(kind, fields);
  return writer.bytes();
}

class Writer {
  #buffer = Buffer.allocUnsafe(512);
  #size = 0;

  bytes(): Buffer {
    return Buffer.from(this.#buffer.subarray(0, this.#size));
  }

  pair(kind: string, fields: object): void {
    this.#byte(0x92);
    this.#text(kind);
    this.value(fields, kind, 1);
  }

  value(value: unknown, where: string, level: number): void {
    if (typeof value === "string") this.#text(value);
    else if (typeof value === "number") this.#number(value, where);
    else if (typeof value === "bigint") this.#bigint(value, where);
    else if (typeof value === "boolean") this.#byte(value ? 0xc3 : 0xc2);
    else if (value instanceof Uint8Array) this.#bin(value);
    else if (Array.isArray(value)) this.#array(value, where, level);
    else if (isPlain(value)) this.#map(value, where, level);
    else throw new Error(`${where} is ${nameOf(value)}: ${accepted(value)}`);
  }

  #map(value: object, where: string, level: number): void {
    const pairs = Object.entries(value).filter(([, one]) => one !== undefined);
    this.#head(pairs.length, 0x80, 16, where, level, 0xde);
    for (const [key, one] of pairs) {
      this.#text(key);
      this.value(one, `${where}.${key}`, level + 1);
    }
  }

  #array(values: unknown[], where: string, level: number): void {
    this.#head(values.length, 0x90, 16, where, level, 0xdc);
    for (let i = 0; i < values.length; i += 1) this.value(values[i], `${where}[${i}]`, level + 1);
  }

  #head(size: number, fix: number, max: number, where: string, level: number, wide: number): void {
    if (level >= LEVELS_MAX) throw new Error(`${where} is nested deeper than ${LEVELS_MAX} levels`);
    if (size < max) {
      this.#byte(fix | size);
    } else {
      this.#byte(size < 0x10000 ? wide : wide + 1);
      this.#uint(size, size < 0x10000 ? 2 : 4);
    }
  }

  #text(text: string): void {
    const size = Buffer.byteLength(text);
    if (size < 32) this.#byte(0xa0 | size);
    else this.#width(size, 0xd9);
    const from = this.#room(size);
    this.#buffer.write(text, from, "utf8");
  }

  #bin(data: Uint8Array): void {
    this.#width(data.length, 0xc4);
    const from = this.#room(data.length);
    this.#buffer.set(data, from);
  }

  /** The type, and `size` in 1, 2 or 4 bytes. */
  #width(size: number, type: number): void {
    const step = size < 0x100 ? 0 : size < 0x10000 ? 1 : 2;
    this.#byte(type + step);
    this.#uint(size, 1 << step);
  }

  #number(value: number, where: string): void {
    if (Number.isSafeInteger(value)) {
      this.#integer(value);
    } else if (Number.isFinite(value)) {
      this.#byte(0xcb);
      const from = this.#room(8);
      this.#buffer.writeDoubleBE(value, from);
    } else {
      throw new Error(`${where} is ${value}: a finite number is accepted`);
    }
  }

  #integer(value: number): void {
    if (value >= 0 && value < 0x80) this.#byte(value);
    else if (value < 0 && value >= -0x20) this.#byte(value & 0xff);
    else if (value >= 0 && value < 0x1_0000_0000) this.#width(value, 0xcc);
    else this.#int64(BigInt(value));
  }

  #bigint(value: bigint, where: string): void {
    if (BigInt.asIntN(64, value) !== value) {
      throw new Error(`${where} is ${value}: -2^63 to 2^63-1 is accepted`);
    }
    const small = exact(value);
    if (typeof small === "number") this.#integer(small);
    else this.#int64(value);
  }

  #int64(value: bigint): void {
    this.#byte(0xd3);
    const from = this.#room(8);
    this.#buffer.writeBigInt64BE(value, from);
  }

  #byte(value: number): void {
    const from = this.#room(1);
    this.#buffer[from] = value;
  }

  #uint(value: number, width: number): void {
    const from = this.#room(width);
    this.#buffer.writeUIntBE(value, from, width);
  }

  /** Where the next `size` bytes go. It may replace the buffer, so it is called before that is used. */
  #room(size: number): number {
    const from = this.#size;
    this.#size += size;
    if (this.#size > this.#buffer.length) {
      const grown = Buffer.allocUnsafe(Math.max(this.#size, 2 * this.#buffer.length));
      this.#buffer.copy(grown, 0, 0, from);
      this.#buffer = grown;
    }
    return from;
  }
}

function isPlain(value: unknown): value is object {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function nameOf(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  return typeof value === "object" ? `a ${value.constructor.name}` : `a ${typeof value}`;
}

function accepted(value: unknown): string {
  if (value === null || value === undefined) return "leave the key out instead";
  return "texts, numbers, bigints, booleans, arrays, bytes and plain objects are accepted";
}
