/** A socket that speaks bellis/1 with one broker. */
import { Dealer, type SocketOptions } from "zeromq";
import type { Access } from "./access.js";
import { needsIpv6 } from "./endpoint.js";
import { BrokerError } from "./errors.js";
import { type Message, read, write } from "./messages.js";

const LINGER_MS = 1000;
/** So many messages wait for a broker that is away; pings beyond them are left out. */
const UNSENT_MAX = 64;

/** What a line needs to connect; a test puts another one in its place. */
export type Hear = (message: Message) => void;

/**
 * Sends and hears messages. ZeroMQ connects again by itself; messages that were on their way are lost
 * then, and nobody is told. Belongs to the thread that made it.
 */
export class Line {
  readonly #access: Access;
  readonly #hear: Hear;
  readonly #refuse: (error: BrokerError) => void;
  #socket: Dealer;
  #unsent: Buffer[] = [];
  #isSending = false;

  /** `hear` gets each message, `refuse` why one could not be read. */
  constructor(access: Access, hear: Hear, refuse: (error: BrokerError) => void) {
    this.#access = access;
    this.#hear = hear;
    this.#refuse = refuse;
    this.#socket = this.#open();
  }

  /** Queues a message. Throws BrokerError, sending nothing, for one that cannot be sent. */
  send(kind: string, fields: object): void {
    this.#unsent.push(write(kind, fields));
    if (!this.#isSending) void this.#sendAll();
  }

  /** Sends a ping, unless much is unsent already. */
  ping(nonce: number): void {
    if (this.#unsent.length < UNSENT_MAX) this.send("ping", { nonce });
  }

  /**
   * Connects anew, and drops what was not sent: libzmq gives an endpoint up, without a word, when
   * another program has answered there.
   */
  reopen(): void {
    this.#drop();
    this.#socket = this.#open();
  }

  /** Closes the socket. `waits`: when all is sent, or after a second; else at once. */
  async close(waits: boolean): Promise<void> {
    const end = performance.now() + LINGER_MS;
    while (waits && this.#unsent.length > 0 && performance.now() < end) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    this.#drop(waits ? LINGER_MS : 0);
  }

  #drop(lingerMs = 0): void {
    this.#unsent = [];
    this.#socket.linger = lingerMs;
    this.#socket.close();
  }

  #open(): Dealer {
    const { endpoint, server_key, public_key, secret_key } = this.#access;
    const options: SocketOptions<Dealer> = {
      linger: LINGER_MS,
      sendHighWaterMark: UNSENT_MAX,
      ipv6: needsIpv6(endpoint),
      // A block may take hours; firewalls forget connections that are silent for minutes.
      tcpKeepalive: 1,
      tcpKeepaliveIdle: 60,
      tcpKeepaliveInterval: 20,
      tcpKeepaliveCount: 6,
    };
    if (server_key && endpoint.startsWith("tcp://")) {
      options.curveServerKey = server_key;
      options.curvePublicKey = public_key;
      options.curveSecretKey = secret_key;
    }
    try {
      const socket = new Dealer(options);
      socket.connect(endpoint);
      void this.#listen(socket);
      return socket;
    } catch (error) {
      throw new BrokerError(
        "environment",
        `cannot connect to ${endpoint}: ${(error as Error).message}`,
      );
    }
  }

  async #listen(socket: Dealer): Promise<void> {
    try {
      for await (const frames of socket) {
        if (socket !== this.#socket) return;
        this.#take(frames[0] ?? Buffer.alloc(0));
      }
    } catch (error) {
      if (!socket.closed) throw error;
    }
  }

  #take(frame: Buffer): void {
    let message: Message | undefined;
    try {
      message = read(frame);
    } catch (error) {
      this.#refuse(error as BrokerError);
      return;
    }
    if (message) this.#hear(message);
  }

  /** ZeroMQ takes one message at a time, and waits when it has too many. */
  async #sendAll(): Promise<void> {
    this.#isSending = true;
    const socket = this.#socket;
    try {
      while (socket === this.#socket && !socket.closed) {
        const next = this.#unsent[0];
        if (next === undefined) break;
        await socket.send(next);
        if (socket === this.#socket) this.#unsent.shift();
      }
    } catch (error) {
      if (!socket.closed) throw error;
    } finally {
      this.#isSending = false;
    }
    if (this.#unsent.length > 0 && !this.#socket.closed) void this.#sendAll();
  }
}
