/** The messages of bellis/1 that a broker sends, and how a message is written (MESSAGES.md). */
import { BrokerError } from "./errors.js";
import { decode, encode, Pairs } from "./msgpack.js";
import {
  array,
  bool,
  count,
  float,
  int,
  or,
  type Reader,
  record,
  roi,
  text,
  uint,
  uint32,
} from "./readers.js";

export const VERSION = 1;
const MESSAGE_BYTES_MAX = 1 << 20;

const failure = record({
  block: int,
  index: or(uint, 0n),
  attempt: or(uint32, 0),
  worker: or(uint, 0n),
  error: or(text, ""),
});

const language = record({
  language: text,
  blocks: or(count, 0),
  block_ms_mean: or(float, 0),
});

const taskStatus = record({
  task: text,
  blocks: or(count, 0),
  masked: or(count, 0),
  pending: or(count, 0),
  ready: or(count, 0),
  leased: or(count, 0),
  completed: or(count, 0),
  skipped: or(count, 0),
  failed: or(count, 0),
  orphaned: or(count, 0),
  levels: or(count, 0),
  workers_starting: or(count, 0),
  workers_live: or(count, 0),
  worker_restarts: or(count, 0),
  block_ms_mean: or(float, 0),
  languages: or(array(language), []),
  failures: or(array(failure), []),
  failures_total: or(count, 0),
  error: or(text, ""),
  log_dir: or(text, ""),
  paused: or(bool, false),
  notices: or(array(text), []),
});

const jobStatus = record({
  job: text,
  name: or(text, ""),
  state: or(text, "running"),
  reason: or(text, ""),
  elapsed_s: or(float, 0),
  user: or(text, ""),
  host: or(text, ""),
  submitted_at: or(count, 0),
  tasks: or(array(taskStatus), []),
});

const block = record({
  lease: uint,
  index: uint,
  id: int,
  read: roi,
  write: roi,
  attempt: or(uint32, 1),
});

const step = record({
  task: or(text, ""),
  block: or(int, 0n),
  index: or(uint, 0n),
  state: or(text, ""),
  why: or(text, ""),
});

const run = record({ lease: uint, count: uint32 });

const workRun = record({ lease: uint, index: uint, count: uint32 });

const grid = record({
  shape: array(uint),
  read: roi,
  write: roi,
  total: roi,
  fit: or(text, "valid"),
});

const req = or(uint, 0n);

const KINDS = {
  welcome: record({
    version: or(count, VERSION),
    broker: or(text, ""),
    job: or(text, ""),
    task: or(text, ""),
    worker: or(uint, 0n),
    duty: or(text, "work"),
    slot: or(uint32, 0),
    lease_ms: or(uint32, 0),
    heartbeat_ms: or(uint32, 0),
    durable: or(bool, false),
    prefetch: or<number | undefined>(uint32, undefined),
    held: or(array(uint), []),
    grid: or<ReturnType<typeof grid> | undefined>(grid, undefined),
  }),
  pong: record({ nonce: or(uint, 0n) }),
  error: record({ code: or(text, "bad_message"), message: or(text, ""), req }),
  // Runs and a grid come to those only who ask for them, which this package does not.
  work: record({ blocks: array(block), runs: or(array(workRun), []) }),
  recall: record({ keep: or(uint32, 1) }),
  committed: record({
    leases: or(array(uint), []),
    dropped: or(array(uint), []),
    runs: or(array(run), []),
  }),
  drain: record({ reason: or(text, "") }),
  leave: record({ reason: or(text, "") }),
  submitted: record({
    req,
    job: text,
    resumed: or(bool, false),
    done: or(count, 0),
    run: or(text, ""),
  }),
  jobs: record({ req, jobs: or(array(jobStatus), []) }),
  cancelled: record({ req, job: text }),
  progress: record({ req, status: jobStatus, dropped: or(count, 0) }),
  ended: record({ req, status: jobStatus }),
  retried: record({ req, job: text, blocks: or(count, 0) }),
  ok: record({ req }),
  explained: record({ req, summary: or(text, ""), steps: or(array(step), []) }),
};

type Kinds = typeof KINDS;
export type Fields<K extends keyof Kinds> = ReturnType<Kinds[K]>;
export type Message = { [K in keyof Kinds]: { kind: K; fields: Fields<K> } }[keyof Kinds];
export type LeasedBlock = ReturnType<typeof block>;
export type JobStatusFields = ReturnType<typeof jobStatus>;

/** A message of the broker; undefined: of a kind that this package does not know. */
export function read(data: Uint8Array): Message | undefined {
  const [kind, fields] = envelope(data);
  if (!Object.hasOwn(KINDS, kind)) return undefined;
  const reader = KINDS[kind as keyof Kinds] as Reader<unknown>;
  return { kind, fields: reader(fields, kind) } as Message;
}

function envelope(data: Uint8Array): [string, Pairs] {
  let tree: unknown;
  try {
    tree = decode(data);
  } catch (error) {
    throw new BrokerError("bad_message", `not a message: ${(error as Error).message}`);
  }
  const [kind, fields] = Array.isArray(tree) && tree.length === 2 ? (tree as unknown[]) : [];
  if (typeof kind !== "string" || !(fields instanceof Pairs)) {
    throw new BrokerError("bad_message", "not a message: an array of a kind and a map is accepted");
  }
  return [kind, fields];
}

/** The bytes of a message. Throws BrokerError for one that cannot be sent. */
export function write(kind: string, fields: object): Buffer {
  let data: Buffer;
  try {
    data = encode(kind, fields);
  } catch (error) {
    throw new BrokerError("bad_message", (error as Error).message);
  }
  if (data.length > MESSAGE_BYTES_MAX) {
    throw new BrokerError(
      "too_large",
      `${kind} would have ${data.length} bytes: at most ${MESSAGE_BYTES_MAX} are accepted`,
    );
  }
  return data;
}
