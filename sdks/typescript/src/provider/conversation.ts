// The conversation of the attach and link planes: frames in, frames out. Owns no socket and no stream.

import { create, type MessageInitShape } from "@bufbuild/protobuf";

import { ModrackError } from "../errors.js";
import {
  type AttachRequest,
  AttachRequestSchema,
  type AttachResponse,
  CancelReason,
  type HostFrame,
  type ProviderFrameSchema,
} from "../generated/modrack/provider/v1/frames.js";
import { errorFromWire, errorToWire } from "../wire/errors.js";
import type { Runner, Running } from "./runner.js";

type Frame = MessageInitShape<typeof ProviderFrameSchema>;

/** What a message and a frame add to their content, generously, in bytes. */
const FRAME_ROOM = 64;

/**
 * One connection's state. Frames gather until the connection takes them, so whatever is answered while one received
 * message is worked through, or while the connection is full, leaves together.
 */
export class Conversation {
  /** Done with the host's welcome. */
  readonly welcomed: Promise<void>;
  /** Done when the host says that no new calls will come. */
  readonly draining: Promise<void>;
  readonly #running = new Map<bigint, Running>();
  readonly #idle: (() => void)[] = [];
  #outgoing: Frame[] = [];
  #room = 0;
  #welcome!: () => void;
  #drain!: () => void;

  /** @param wake is called when there is something to send after there was nothing. */
  constructor(
    readonly runner: Runner,
    readonly maxMessageBytes: number,
    readonly wake: () => void,
  ) {
    this.welcomed = new Promise((resolve) => {
      this.#welcome = resolve;
    });
    this.draining = new Promise((resolve) => {
      this.#drain = resolve;
    });
  }

  /** The first message: proves the session. */
  hello(sessionToken: string): AttachRequest {
    return create(AttachRequestSchema, { frames: [{ frame: { case: "hello", value: { sessionToken } } }] });
  }

  /**
   * Works through a message of the host.
   *
   * @throws ModrackError that ends the connection: what the host says, or `protocol.frame.malformed`.
   */
  receive(message: AttachResponse): void {
    if (message.frames.length === 0) throw malformed("a message without frames");
    for (const frame of message.frames) this.#receive(frame);
  }

  /** Everything that waits, in as few messages as the largest size allows. */
  take(): AttachRequest[] {
    const frames = this.#outgoing;
    this.#outgoing = [];
    const most = this.maxMessageBytes;
    const fits = this.#room <= most || frames.length === 1;
    this.#room = 0;
    if (fits) return frames.length === 0 ? [] : [create(AttachRequestSchema, { frames })];
    const messages: Frame[][] = [];
    let size = most;
    for (const frame of frames) {
      const more = sizeOf(frame);
      if (size + more > most) {
        messages.push([]);
        size = 0;
      }
      messages.at(-1)?.push(frame);
      size += more;
    }
    return messages.map((some) => create(AttachRequestSchema, { frames: some }));
  }

  /** Whether {@link take} would give something. */
  get hasFrames(): boolean {
    return this.#outgoing.length > 0;
  }

  /** Calls that are not answered yet. */
  get inFlight(): number {
    return this.#running.size;
  }

  /** Tells the host to send no new calls. */
  sendDrain(graceMs: number): void {
    this.#send({ frame: { case: "drain", value: { graceMs } } });
  }

  /** Tells the host why this side closes the connection next. */
  sendError(error: ModrackError): void {
    this.#send({ frame: { case: "error", value: errorToWire(error) } });
  }

  /** Waits until no call runs, at most so long; how many still do. */
  async answered(graceMs: number): Promise<number> {
    if (this.#running.size > 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, graceMs);
        this.#idle.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
    return this.#running.size;
  }

  /** Cancels what runs: nobody can be answered any more. */
  abandon(): void {
    const lost = new ModrackError("executor.provider.lost", "the connection to the host is over", {
      category: "UNAVAILABLE",
      retryable: true,
    });
    for (const running of this.#running.values()) running.cancel(lost);
    this.#running.clear();
    this.#settle();
  }

  #receive({ callId, frame }: HostFrame): void {
    switch (frame.case) {
      case "execute": {
        const running = this.runner.start(frame.value, (result) => this.#answer(callId, result));
        if (running !== undefined) this.#running.set(callId, running);
        return;
      }
      case "cancel": {
        const running = this.#running.get(callId);
        this.#running.delete(callId);
        running?.cancel(cancelled(frame.value.reason));
        return this.#settle();
      }
      case "ping":
        return this.#send({ frame: { case: "pong", value: { number: frame.value.number } } });
      case "welcome":
        return this.#welcome();
      case "drain":
        return this.#drain();
      case "error":
        throw errorFromWire(frame.value);
      case "pong":
      case "credit":
        // This side never pings, and begins no streams.
        return;
      default:
        throw malformed("a frame without content");
    }
  }

  #answer(callId: bigint, result: Uint8Array | ModrackError): void {
    this.#running.delete(callId);
    const answer = result instanceof Uint8Array ? this.#bounded(result) : result;
    this.#send({
      callId,
      frame: {
        case: "result",
        value: {
          result:
            answer instanceof Uint8Array
              ? { case: "outputData", value: answer }
              : { case: "error", value: errorToWire(answer) },
        },
      },
    });
    this.#settle();
  }

  #bounded(output: Uint8Array): Uint8Array | ModrackError {
    if (output.length + FRAME_ROOM <= this.maxMessageBytes) return output;
    const message = `the output has ${output.length} bytes, a message at most ${this.maxMessageBytes}`;
    return new ModrackError("module.output_too_large", message, { category: "UPSTREAM_ERROR", origin: "module" });
  }

  #settle(): void {
    if (this.#running.size === 0) for (const done of this.#idle.splice(0)) done();
  }

  #send(frame: Frame): void {
    this.#outgoing.push(frame);
    this.#room += sizeOf(frame);
    if (this.#outgoing.length === 1) this.wake();
  }
}

/** An upper bound of a frame's size in a message, in bytes. */
function sizeOf({ frame }: Frame): number {
  if (frame?.case === "error") return FRAME_ROOM + errorSize(frame.value);
  if (frame?.case !== "result") return FRAME_ROOM;
  const result = frame.value.result;
  if (result?.case === "outputData") return FRAME_ROOM + result.value.length;
  return FRAME_ROOM + (result?.case === "error" ? errorSize(result.value) : 0);
}

function errorSize(error: ReturnType<typeof errorToWire>): number {
  const texts = [error.code ?? "", error.message ?? "", ...Object.entries(error.details ?? {}).flat()];
  return texts.reduce((size, text) => size + FRAME_ROOM + 3 * text.length, FRAME_ROOM);
}

/** The failure of a peer that does not keep to the frame protocol. */
export function malformed(why: string): ModrackError {
  return new ModrackError("protocol.frame.malformed", why, { category: "INVALID_ARGUMENT" });
}

function cancelled(reason: CancelReason): ModrackError {
  if (reason === CancelReason.DEADLINE) {
    return new ModrackError("executor.deadline.exceeded", "the deadline passed", { category: "DEADLINE_EXCEEDED" });
  }
  const why = reason === CancelReason.SHUTDOWN ? "the host shuts down" : "the caller gave up";
  return new ModrackError("executor.call.cancelled", why, { category: "CANCELLED" });
}
