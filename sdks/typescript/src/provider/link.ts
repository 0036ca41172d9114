// The link plane: length-prefixed messages on a socket of this machine. Frames are `conversation.ts`'s business.

import { connect, type NetConnectOpts, type Socket } from "node:net";

import { ModrackError } from "../errors.js";
import type { LinkEndpoint } from "../generated/modrack/provider/v1/registry.js";
import { malformed } from "../wire/frames_in.js";
import { FrameWriter } from "../wire/frames_out.js";
import type { Connection } from "./connection.js";
import { Conversation } from "./conversation.js";
import type { Starter } from "./sink.js";

/** Bytes of a length. */
const PREFIX = 4;

/** How a link comes about. */
export interface LinkOptions {
  readonly endpoint: LinkEndpoint;
  readonly starter: Starter;
  readonly sessionToken: string;
  readonly maxMessageBytes: number;
  readonly timeoutMs: number;
}

/**
 * A link that the host has welcomed.
 *
 * @throws ModrackError with `client.link.unreachable`; the host's own error when it refuses the session.
 */
export async function connectLink(options: LinkOptions): Promise<Connection> {
  const link = new Link(options, connect(addressOf(options.endpoint)));
  const timer = setTimeout(() => link.fail(unreachable("nobody answered in time")), options.timeoutMs);
  try {
    const failure = await Promise.race([link.conversation.welcomed, link.ended]);
    if (failure instanceof ModrackError) throw failure;
    return link;
  } catch (error) {
    await link.close();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

function addressOf({ address }: LinkEndpoint): NetConnectOpts {
  if (address.case === "unixPath") return { path: address.value };
  const at = address.value?.lastIndexOf(":") ?? -1;
  const port = Number(address.value?.slice(at + 1));
  if (at < 0 || !Number.isInteger(port) || port < 1 || port > 65535) {
    throw unreachable(`\`${address.value ?? ""}\` is no address`);
  }
  return { host: address.value?.slice(0, at) ?? "", port, noDelay: true };
}

function unreachable(why: string): ModrackError {
  return new ModrackError("client.link.unreachable", `the link cannot be reached: ${why}`, {
    category: "UNAVAILABLE",
    retryable: true,
  });
}

class Link implements Connection {
  readonly plane = "link";
  readonly ended: Promise<ModrackError | undefined>;
  readonly draining: Promise<void>;
  readonly conversation: Conversation;
  #end!: (error: ModrackError | undefined) => void;
  #received: Buffer[] = [];
  #size = 0;
  #wanted = PREFIX;
  #full = false;
  #receiving = false;
  #connected = false;

  constructor(
    readonly options: LinkOptions,
    readonly socket: Socket,
  ) {
    this.conversation = new Conversation(options.starter, new FrameWriter(PREFIX, options.maxMessageBytes), () => {
      // While a message is worked through, its end sends everything at once.
      if (!this.#receiving) setImmediate(() => this.#flush());
    });
    this.draining = this.conversation.draining;
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    socket.on("connect", () => {
      this.#connected = true;
      this.conversation.sendHello(options.sessionToken);
      this.#flush();
    });
    socket.on("data", (chunk: Buffer) => this.#data(chunk));
    socket.on("drain", () => {
      this.#full = false;
      this.#flush();
    });
    socket.on("error", (error) => this.#lost(error.message));
    socket.on("close", () => this.#lost("closed by the host"));
  }

  async drain(graceMs: number): Promise<number> {
    this.conversation.sendDrain(graceMs);
    return this.conversation.answered(graceMs);
  }

  close(): Promise<void> {
    this.#end(undefined);
    if (this.socket.destroyed) return Promise.resolve();
    if (!this.#connected) {
      this.socket.destroy();
      return Promise.resolve();
    }
    this.#full = false;
    this.#flush();
    return new Promise((resolve) => {
      // A host that reads no more must not keep the process.
      const timer = setTimeout(() => this.socket.destroy(), 1000);
      this.socket.once("close", () => {
        clearTimeout(timer);
        resolve();
      });
      this.socket.end(() => this.socket.destroy());
    });
  }

  /** Ends the connection with a reason, which the host is told where it broke the protocol. */
  fail(error: ModrackError): void {
    this.#end(error);
    if (error.code === "protocol.frame.malformed") {
      this.conversation.sendError(error);
      this.#flush();
      this.socket.end();
    } else this.socket.destroy();
    this.conversation.abandon();
  }

  #lost(why: string): void {
    const error = this.#connected
      ? new ModrackError("client.connection.lost", `the link broke: ${why}`, {
          category: "UNAVAILABLE",
          retryable: true,
        })
      : unreachable(why);
    this.#end(error);
    this.socket.destroy();
    this.conversation.abandon();
  }

  #data(chunk: Buffer): void {
    this.#received.push(chunk);
    this.#size += chunk.length;
    // Chunks are joined only when a whole message is there: a large one would be copied again and again.
    if (this.#size < this.#wanted) return;
    const buffer = this.#received.length === 1 ? chunk : Buffer.concat(this.#received, this.#size);
    this.#receiving = true;
    try {
      const rest = this.#messages(buffer);
      this.#received = rest.length > 0 ? [rest] : [];
      this.#size = rest.length;
    } catch (error) {
      this.#received = [];
      this.#size = 0;
      if (!(error instanceof ModrackError)) throw error;
      return this.fail(error);
    } finally {
      this.#receiving = false;
    }
    this.#flush();
  }

  /** Works through the whole messages; what is left of the buffer. */
  #messages(buffer: Buffer): Buffer {
    let at = 0;
    for (;;) {
      this.#wanted = PREFIX;
      if (buffer.length - at < PREFIX) break;
      const size = buffer.readUInt32BE(at);
      if (size === 0 || size > this.options.maxMessageBytes) throw malformed(`a message of ${size} bytes`);
      this.#wanted = PREFIX + size;
      if (buffer.length - at < this.#wanted) break;
      const start = at + PREFIX;
      at = start + size;
      this.conversation.receive(buffer, start, at);
    }
    return at === 0 ? buffer : buffer.subarray(at);
  }

  #flush(): void {
    const { outgoing } = this.conversation;
    if (this.#full || outgoing.isEmpty || this.socket.destroyed || !this.socket.writable) return;
    this.#full = !this.socket.write(outgoing.bytes());
    // The kernel has taken everything, or the socket still holds on to the bytes.
    outgoing.reset(this.socket.writableLength > 0);
  }
}
