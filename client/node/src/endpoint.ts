/** Endpoints: `ipc://PATH` or `tcp://HOST:PORT` (TRANSPORT.md). libzmq takes more, which is refused here. */
import { isIP } from "node:net";
import { BrokerError, shown } from "./errors.js";

const PATH_BYTES_MAX = 107;
const NAME = /^[A-Za-z0-9_][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*\.?$/;
const ENDS_IN_NUMBER = /^(.*\.)?([0-9]+|0[xX][^.]*)\.?$/;

/** Throws BrokerError (`environment`) that names `field`, unless a socket can connect to `text`. */
export function checkEndpoint(text: string, field: string): void {
  const why = troubleOf(text);
  if (why) throw new BrokerError("environment", `${field} is ${shown(text)}: ${why}`);
}

export function needsIpv6(endpoint: string): boolean {
  return endpoint.startsWith("tcp://[");
}

function troubleOf(text: string): string {
  if (text.startsWith("ipc://")) return troubleOfPath(text.slice(6));
  if (!text.startsWith("tcp://")) return "ipc://PATH or tcp://HOST:PORT is accepted";
  const colon = text.lastIndexOf(":");
  const host = text.slice(6, colon);
  const port = text.slice(colon + 1);
  if (colon < 6 || !host) return "tcp://HOST:PORT is accepted";
  if (!/^[1-9][0-9]{0,4}$/.test(port) || Number(port) > 65535) {
    return `port ${shown(port)}: a number from 1 to 65535 is accepted`;
  }
  return troubleOfHost(host);
}

function troubleOfPath(path: string): string {
  if (!path) return "a path is expected after ipc://";
  if (path.startsWith("@") || path.startsWith("*")) return "the path of a socket file is accepted";
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is refused
  if (/[\x00-\x1f\x7f]/.test(path)) return "the path has control characters";
  const size = Buffer.byteLength(path);
  return size > PATH_BYTES_MAX ? `the path has ${size} bytes: at most ${PATH_BYTES_MAX}` : "";
}

function troubleOfHost(host: string): string {
  if (host.startsWith("[") && host.endsWith("]")) {
    const inner = host.slice(1, -1);
    if (isIP(inner) !== 6) return `${shown(inner)} is not an IPv6 address`;
    return /^[0:]+$/.test(inner) ? EVERY_ADDRESS : "";
  }
  if (host.includes(":")) return "an IPv6 address in brackets is accepted: tcp://[::1]:5555";
  if (host === "0.0.0.0") return EVERY_ADDRESS;
  if (ENDS_IN_NUMBER.test(host)) return isIP(host) === 4 ? "" : `${host} is not an IPv4 address`;
  return NAME.test(host) && host.length <= 253 ? "" : `${shown(host)} is not the name of a host`;
}

const EVERY_ADDRESS = "an address of the broker's machine is accepted, not the one for all of them";
