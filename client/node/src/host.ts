/** What a worker's session is told, and what it makes happen. */
import type { BrokerError } from "./errors.js";
import type { Fields, LeasedBlock } from "./messages.js";

export interface Result {
  lease: bigint;
  status: "completed" | "failed" | "returned";
  error?: string;
}

export interface HeldLease {
  lease: bigint;
  index: bigint;
  attempt: number;
}

/** What a session makes happen. */
export interface Host {
  send(kind: string, fields: object): void;
  /** Sends a ping, unless much is unsent. */
  ping(nonce: number): void;
  /** Connects anew. */
  reopen(): void;
  newSession(): bigint;
  /** The worker was taken on, or again. */
  welcomed(welcome: Fields<"welcome">): void;
  /** The user's function gets this block. */
  hand(block: LeasedBlock): void;
  /** The block that the user's function has is no longer this worker's: it must stop. */
  lost(lease: bigint, reason: string): void;
  /** There is nothing more; `error`: since something is wrong. */
  ended(reason: string, error?: BrokerError): void;
  /** Nothing more is sent. `waits`: there is a broker that hears the last messages. */
  close(waits: boolean): void;
  warn(text: string): void;
  /** Ends the process, which may do damage otherwise. */
  fence(): void;
}

/** What a hello says of this process. */
export interface Identity {
  host: string;
  pid: number;
  machine: string;
}
