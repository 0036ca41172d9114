// The attach plane: the frames of the link, on a gRPC stream that the provider opens. Frames are `conversation.ts`'s business.

import { type ClientDuplexStream, Metadata } from "@grpc/grpc-js";

import { ModrackError } from "../errors.js";
import { type ModuleRegistryClient, ModuleRegistryDefinition } from "../generated/modrack/provider/v1/registry.js";
import { errorFromRpc } from "../wire/errors.js";
import { FrameWriter } from "../wire/frames_out.js";
import type { Connection } from "./connection.js";
import { Conversation } from "./conversation.js";
import type { Starter } from "./sink.js";

/** How an attachment comes about. */
export interface AttachOptions {
  readonly client: ModuleRegistryClient;
  readonly starter: Starter;
  readonly sessionToken: string;
  readonly maxMessageBytes: number;
  readonly timeoutMs: number;
}

/**
 * A stream that the host has welcomed.
 *
 * @throws ModrackError that the host refuses the session with; `client.deadline.exceeded` when it says nothing.
 */
export async function connectAttach(options: AttachOptions): Promise<Connection> {
  const attachment = new Attachment(options);
  const silent = new ModrackError("client.deadline.exceeded", "the host did not answer the attach stream", {
    category: "DEADLINE_EXCEEDED",
    retryable: true,
  });
  const timer = setTimeout(() => attachment.fail(silent), options.timeoutMs);
  try {
    const failure = await Promise.race([attachment.conversation.welcomed, attachment.ended]);
    if (failure instanceof ModrackError) throw failure;
    return attachment;
  } catch (error) {
    await attachment.close();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/** Messages travel as their bytes: the conversation reads and writes them itself. */
type Stream = ClientDuplexStream<Buffer, Buffer>;

const asTheyAre = (bytes: Buffer): Buffer => bytes;

class Attachment implements Connection {
  readonly plane = "attach";
  readonly ended: Promise<ModrackError | undefined>;
  readonly draining: Promise<void>;
  readonly conversation: Conversation;
  readonly #stream: Stream;
  #end!: (error: ModrackError | undefined) => void;
  #receiving = false;
  #full = false;
  #over = false;

  constructor(options: AttachOptions) {
    this.conversation = new Conversation(options.starter, new FrameWriter(0, options.maxMessageBytes), () => {
      if (!this.#receiving) setImmediate(() => this.#flush());
    });
    this.draining = this.conversation.draining;
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    const { path } = ModuleRegistryDefinition.attach;
    this.#stream = options.client.makeBidiStreamRequest(path, asTheyAre, asTheyAre, new Metadata(), {});
    this.#stream.on("data", (message: Buffer) => this.#data(message));
    this.#stream.on("error", (error) => {
      const told = errorFromRpc(error);
      this.#finish(told instanceof ModrackError ? told : lost(error.message));
    });
    this.#stream.on("end", () => this.#finish(lost("the host ended it")));
    this.conversation.sendHello(options.sessionToken);
    this.#flush();
  }

  async drain(graceMs: number): Promise<number> {
    this.conversation.sendDrain(graceMs);
    return this.conversation.answered(graceMs);
  }

  close(): Promise<void> {
    if (this.#over) return Promise.resolve();
    this.#full = false;
    this.#flush();
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#finish(undefined);
        this.#stream.cancel();
        resolve();
      };
      // The host ends its half when it has read ours; one that does not must not keep the process.
      const timer = setTimeout(done, 500);
      this.#stream.once("status", done);
      this.#stream.end();
    });
  }

  /** Ends the stream with a reason, which the host is told where it broke the protocol. */
  fail(error: ModrackError): void {
    if (error.code === "protocol.frame.malformed") {
      this.conversation.sendError(error);
      this.#flush();
      this.#stream.end();
    } else this.#stream.cancel();
    this.#finish(error);
  }

  #finish(error: ModrackError | undefined): void {
    this.#over = true;
    this.#end(error);
    this.conversation.abandon();
  }

  #data(message: Buffer): void {
    if (this.#over) return;
    this.#receiving = true;
    try {
      this.conversation.receive(message, 0, message.length);
    } catch (error) {
      if (!(error instanceof ModrackError)) throw error;
      return this.fail(error);
    } finally {
      this.#receiving = false;
    }
    // Messages that came with this one are worked through before anything is sent.
    setImmediate(() => this.#flush());
  }

  #flush(): void {
    const { outgoing } = this.conversation;
    if (this.#full || outgoing.isEmpty || !this.#stream.writable) return;
    for (const message of outgoing.messages()) this.#full = !this.#stream.write(message);
    outgoing.reset(false);
    if (this.#full) {
      this.#stream.once("drain", () => {
        this.#full = false;
        this.#flush();
      });
    }
  }
}

function lost(why: string): ModrackError {
  return new ModrackError("client.connection.lost", `the attach stream broke: ${why}`, {
    category: "UNAVAILABLE",
    retryable: true,
  });
}
