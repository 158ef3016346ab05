/** Where the broker is, and by what it and its peers know each other (TRANSPORT.md, "Keys"). */
import { closeSync, constants, fstatSync, openSync, readFileSync } from "node:fs";
import { BrokerError } from "./errors.js";

/** A broker's endpoint, and keys for it, or a token if nothing is encrypted. Empty: there is none. */
export interface Access {
  endpoint: string;
  token: string;
  server_key: string;
  public_key: string;
  secret_key: string;
}

const KEYS = ["server_key", "public_key", "secret_key"] as const;
const KEY_CHARS = 40;
const FILE_BYTES_MAX = 16 << 10;

/** Throws BrokerError (`environment`), which names `source`, for what is malformed. */
export function accessOf(fields: Record<string, unknown>, source: string): Access {
  const access: Access = {
    endpoint: "",
    token: "",
    server_key: "",
    public_key: "",
    secret_key: "",
  };
  for (const name of Object.keys(access) as (keyof Access)[]) {
    const value = fields[name] ?? "";
    if (typeof value !== "string") throw refusal(`${source}: ${name} is not a text`);
    access[name] = value;
  }
  if (KEYS.some((name) => access[name] !== "")) {
    for (const name of KEYS) {
      if (access[name].length === KEY_CHARS) continue;
      throw refusal(
        `${source}: ${name} has ${access[name].length} characters: all three keys are accepted, or ` +
          `none, each of ${KEY_CHARS} (Z85)`,
      );
    }
  }
  return access;
}

/** Reads an access file. Only its owner may be able to read it. */
export function readAccess(path: string): Access {
  const source = `access file ${JSON.stringify(path)}`;
  const fields = parsed(contentOf(path, source), source);
  const access = accessOf(fields, source);
  if (!access.server_key && !access.token) throw refusal(`${source} has neither keys nor a token`);
  return access;
}

function contentOf(path: string, source: string): string {
  let file: number | undefined;
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const status = fstatSync(file);
    if (!status.isFile()) throw new Error("it is not a regular file");
    if (status.uid !== process.geteuid?.()) throw new Error("it belongs to another user");
    if ((status.mode & 0o077) !== 0) throw new Error("other users can read it: chmod 600");
    if (status.size > FILE_BYTES_MAX) throw new Error(`it has more than ${FILE_BYTES_MAX} bytes`);
    return readFileSync(file, "utf8");
  } catch (error) {
    throw refusal(`${source} cannot be used: ${(error as Error).message}`);
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

function parsed(text: string, source: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  if (typeof value !== "object" || value === null) throw refusal(`${source} is not a JSON object`);
  return value as Record<string, unknown>;
}

function refusal(message: string): BrokerError {
  return new BrokerError("environment", message);
}
