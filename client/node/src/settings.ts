/** Settings, from options or else from the environment (WORKERS.md, "Environment"). */
import { existsSync, statSync } from "node:fs";
import { type Access, accessOf, readAccess } from "./access.js";
import { checkEndpoint } from "./endpoint.js";
import { BrokerError, shown } from "./errors.js";

/** How to find the broker. What is left out comes from the environment. */
export interface ConnectOptions {
  /** `ipc://PATH` or `tcp://HOST:PORT`; else BELLIS_ENDPOINT, or that of the access file. */
  endpoint?: string;
  /** The path of the broker's access file; else BELLIS_ACCESS. */
  access?: string;
  /** Where the broker does not encrypt, and asks for one; else BELLIS_TOKEN. */
  token?: string;
  /** Seconds to wait for the broker at the start; else BELLIS_CONNECT_TIMEOUT, or 10. */
  connectTimeout?: number;
}

export interface WorkerOptions extends ConnectOptions {
  /** The id of the job; else BELLIS_JOB, or the only running job. */
  job?: string;
  /** The task; else BELLIS_TASK, or the only task of the job. */
  task?: string;
  /** What to do with blocks: `work`, `check` or `post_check`; else BELLIS_DUTY, or `work`. */
  duty?: Duty;
  /** The worker's number; else BELLIS_WORKER_ID, or one that the broker gives. */
  workerId?: bigint;
  /**
   * A heartbeat goes out this often, in milliseconds; else BELLIS_HEARTBEAT_MS, or 4000. 0: never. Then
   * a launcher or the broker's machine must tell when this worker is dead.
   */
  heartbeatMs?: number;
  /**
   * How many blocks to ask for in advance, at most 1023, or `auto`: as many as take about a millisecond;
   * else BELLIS_PREFETCH, or what the task says, or `auto`.
   */
  prefetch?: number | "auto";
  /** Seconds for which a waiting worker bears a silent broker; else BELLIS_LOST_TIMEOUT, or 300. */
  lostTimeout?: number;
}

export type Duty = "work" | "check" | "post_check";

/** All that a worker's connection must know; plain data, which goes to another thread. */
export interface WorkerSettings {
  access: Access;
  job: string;
  task: string;
  duty: Duty;
  given: bigint;
  heartbeatMs: number;
  prefetch: number | "auto" | undefined;
  connectMs: number;
  lostMs: number;
  /** Where to note what it works on; empty: nowhere. */
  workPage: string;
  /** The broker is asked for a sign when it has been silent this long. */
  silenceMs: number;
}

const SILENCE_MS = 10_000;
const HEARTBEAT_MS_MAX = 3_600_000;
const PREFETCH_MAX = 1023;
const SECONDS_MAX = 1e6;
const DUTIES: readonly string[] = ["work", "check", "post_check"];

export function workerSettings(options: WorkerOptions): WorkerSettings {
  const access = accessFor(options);
  if (!access.endpoint) {
    throw new BrokerError(
      "environment",
      "BELLIS_ENDPOINT is not set, nor BELLIS_ACCESS: start this worker by a launcher, or set it to the " +
        "broker's endpoint (ipc://PATH or tcp://HOST:PORT), or BELLIS_ACCESS to its access file",
    );
  }
  return {
    access,
    job: options.job ?? variable("BELLIS_JOB"),
    task: options.task ?? variable("BELLIS_TASK"),
    duty: duty(options.duty),
    given: workerId(options.workerId),
    heartbeatMs: whole(
      options.heartbeatMs,
      "heartbeatMs",
      "BELLIS_HEARTBEAT_MS",
      4000,
      HEARTBEAT_MS_MAX,
    ),
    prefetch: prefetch(options.prefetch),
    connectMs: connectMs(options),
    lostMs: 1000 * seconds(options.lostTimeout, "lostTimeout", "BELLIS_LOST_TIMEOUT", 300),
    workPage: variable("BELLIS_WORK_PAGE"),
    silenceMs: SILENCE_MS,
  };
}

/** For a script: without any setting, a broker of this user. */
export function controlAccess(options: ConnectOptions): Access {
  const access = accessFor(options);
  if (access.endpoint) return access;
  const runtime = variable("XDG_RUNTIME_DIR");
  const user = process.geteuid?.() ?? 0;
  // After `su` the folder may belong to another user, who could listen there.
  const own = runtime.startsWith("/") && (!existsSync(runtime) || statSync(runtime).uid === user);
  const folder = own ? `${runtime}/bellis` : `/tmp/bellis-${user}`;
  return { ...access, endpoint: `ipc://${folder}/broker.sock` };
}

export function connectMs(options: ConnectOptions): number {
  return 1000 * seconds(options.connectTimeout, "connectTimeout", "BELLIS_CONNECT_TIMEOUT", 10);
}

/** Options come before the environment. A token that is given takes the place of all keys. */
function accessFor(options: ConnectOptions): Access {
  const found = keysFor(options);
  const listed = options.access !== undefined ? found.endpoint : "";
  const endpoint = options.endpoint ?? (listed || variable("BELLIS_ENDPOINT") || found.endpoint);
  const field = options.endpoint !== undefined ? "endpoint" : "BELLIS_ENDPOINT";
  if (endpoint) checkEndpoint(endpoint, listed ? "the access file's endpoint" : field);
  return { ...found, endpoint };
}

function keysFor(options: ConnectOptions): Access {
  if (options.token !== undefined) return accessOf({ token: options.token }, "token");
  if (options.access !== undefined) return readAccess(options.access);
  const fields = {
    server_key: variable("BELLIS_SERVER_KEY"),
    public_key: variable("BELLIS_PUBLIC_KEY"),
    secret_key: variable("BELLIS_SECRET_KEY"),
    token: variable("BELLIS_TOKEN"),
  };
  const path = variable("BELLIS_ACCESS");
  const isSet = Object.values(fields).some((value) => value !== "");
  return path && !isSet ? readAccess(path) : accessOf(fields, "the environment's BELLIS_..._KEY");
}

function duty(given: Duty | undefined): Duty {
  const value = given ?? (variable("BELLIS_DUTY") || "work");
  if (!DUTIES.includes(value)) {
    throw wrong(given, "duty", "BELLIS_DUTY", value, "work, check or post_check is accepted");
  }
  return value as Duty;
}

function workerId(given: bigint | undefined): bigint {
  const text = given === undefined ? variable("BELLIS_WORKER_ID") || "0" : String(given);
  if (!/^[0-9]+$/.test(text) || BigInt(text) >= 2n ** 63n) {
    throw wrong(
      given,
      "workerId",
      "BELLIS_WORKER_ID",
      text,
      "an integer from 0 to 2^63-1 is accepted",
    );
  }
  return BigInt(text);
}

function prefetch(given: number | "auto" | undefined): number | "auto" | undefined {
  const value = given ?? (variable("BELLIS_PREFETCH") || undefined);
  if (value === undefined || value === "auto") return value;
  const accepted = `auto, or an integer from 0 to ${PREFETCH_MAX} is accepted`;
  if (!/^[0-9]+$/.test(String(value)) || Number(value) > PREFETCH_MAX) {
    throw wrong(given, "prefetch", "BELLIS_PREFETCH", value, accepted);
  }
  return Number(value);
}

function whole(
  given: number | undefined,
  name: string,
  from: string,
  otherwise: number,
  max: number,
): number {
  const text = given === undefined ? variable(from) || String(otherwise) : String(given);
  if (!/^[0-9]+$/.test(text) || Number(text) > max) {
    throw wrong(given, name, from, text, `milliseconds from 0 to ${max} are accepted`);
  }
  return Number(text);
}

function seconds(given: number | undefined, name: string, from: string, otherwise: number): number {
  const text = given === undefined ? variable(from) || String(otherwise) : String(given);
  const value = Number(text);
  if (!(value > 0 && value <= SECONDS_MAX)) {
    throw wrong(
      given,
      name,
      from,
      text,
      `seconds, more than 0, at most ${SECONDS_MAX}, are accepted`,
    );
  }
  return value;
}

function wrong(
  given: unknown,
  option: string,
  variable: string,
  value: unknown,
  accepted: string,
): BrokerError {
  const field = given === undefined ? variable : option;
  return new BrokerError("environment", `${field} is ${shown(value)}: ${accepted}`);
}

function variable(name: string): string {
  return process.env[name] ?? "";
}
