/**
 * Everything that goes wrong with the broker, or on the way to it.
 *
 * `code` is stable. It is one of the broker's ("Errors" in MESSAGES.md: `unknown_job`, `limit`,
 * `invalid_spec` ...), or one of this package's: `environment` (a setting is missing or malformed),
 * `no_broker` (no broker answers), `closed` (the object was closed).
 */
export class BrokerError extends Error {
  override readonly name = "BrokerError";

  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

/** A few words for a value in an error's text. */
export function shown(value: unknown): string {
  if (typeof value === "string")
    return JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}...` : value);
  if (Array.isArray(value)) return `[${value.slice(0, 8).map(shown).join(", ")}]`;
  return typeof value === "object" && value !== null ? "an object" : String(value);
}

/** The error for a broker that has been silent for so many milliseconds. */
export function noBroker(endpoint: string, silentMs: number, wasThere: boolean): BrokerError {
  const text = `no broker answers at ${endpoint} for ${Math.round(silentMs / 100) / 10} s`;
  if (wasThere) {
    return new BrokerError("no_broker", `${text}: it has ended, or cannot be reached`);
  }
  const keys = endpoint.startsWith("tcp://")
    ? " On tcp it asks for keys, unless it was started with --insecure: set BELLIS_ACCESS."
    : "";
  return new BrokerError("no_broker", `${text}: is bellis-broker running?${keys}`);
}
