// The conversation of the attach and link planes: frames in, frames out. Owns no socket and no stream.

import { ModrackError } from "../errors.js";
import { CancelReason, type HostFrame } from "../generated/modrack/provider/v1/frames.js";
import type { Module } from "../module.js";
import { errorFromWire, errorToWire } from "../wire/errors.js";
import { type CallId, type FrameListener, FrameReader, idOf, malformed } from "../wire/frames_in.js";
import type { FrameWriter, ProviderFrameInit } from "../wire/frames_out.js";
import { type Request, requestOf } from "../wire/request.js";
import type { Running, Sink, Starter } from "./sink.js";

/**
 * One connection's state. Frames gather until the connection takes them, so whatever is answered while one received
 * message is worked through, or while the connection is full, leaves together.
 */
export class Conversation implements FrameListener, Sink {
  /** Done with the host's welcome. */
  readonly welcomed: Promise<void>;
  /** Done when the host says that no new calls will come. */
  readonly draining: Promise<void>;
  /** What waits to be sent. */
  readonly outgoing: FrameWriter;
  readonly #starter: Starter;
  readonly #wake: () => void;
  readonly #reader = new FrameReader(this);
  readonly #running = new Map<CallId, Running>();
  readonly #idle: (() => void)[] = [];
  #welcome!: () => void;
  #drain!: () => void;

  /** @param wake is called when there is something to send after there was nothing. */
  constructor(starter: Starter, outgoing: FrameWriter, wake: () => void) {
    this.#starter = starter;
    this.outgoing = outgoing;
    this.#wake = wake;
    this.welcomed = new Promise((resolve) => {
      this.#welcome = resolve;
    });
    this.draining = new Promise((resolve) => {
      this.#drain = resolve;
    });
  }

  /**
   * Works through the message of the host that stands in these bytes.
   *
   * @throws ModrackError that ends the connection: what the host says, or `protocol.frame.malformed`.
   */
  receive(bytes: Buffer, start: number, end: number): void {
    this.#reader.message(bytes, start, end);
  }

  /** The first message: proves the session. */
  sendHello(sessionToken: string): void {
    this.#send({ frame: { case: "hello", value: { sessionToken } } });
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

  execute(id: CallId, request: Request): void {
    this.#started(id, this.#starter.call(id, request, this));
  }

  stream(id: CallId, request: Request, credit: number): void {
    this.#started(id, this.#starter.stream(id, request, credit, this));
  }

  credit(id: CallId, items: number): void {
    this.#running.get(id)?.grant(items);
  }

  cancel(id: CallId, reason: CancelReason): void {
    const running = this.#running.get(id);
    this.#running.delete(id);
    running?.cancel(cancelled(reason));
    this.#settle();
  }

  other({ callId, frame }: HostFrame): void {
    switch (frame.case) {
      case "executeBatch": {
        const id = idOf(callId);
        const requests = frame.value.requests.map(requestOf);
        if (requests.length === 0) throw malformed("a batch without requests");
        return this.#started(id, this.#starter.batch(id, requests, this));
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
        // This side never pings.
        return;
      default:
        throw malformed("a frame without content");
    }
  }

  answer(id: CallId, module: Module, value: unknown): void {
    const isFirst = this.outgoing.isEmpty;
    this.outgoing.result(id, module.output, value);
    this.#ended(id, isFirst);
  }

  encoded(id: CallId, output: Uint8Array): void {
    this.#last(id, { case: "result", value: { result: { case: "outputData", value: output } } });
  }

  item(id: CallId, module: Module, value: unknown): void {
    const isFirst = this.outgoing.isEmpty;
    this.outgoing.item(id, module.output, value);
    if (isFirst) this.#wake();
  }

  end(id: CallId): void {
    this.#last(id, { case: "end", value: {} });
  }

  answers(id: CallId, answers: readonly (Uint8Array | ModrackError)[]): void {
    const responses = answers.map((answer) => ({
      result:
        answer instanceof Uint8Array
          ? { case: "outputData" as const, value: answer }
          : { case: "error" as const, value: errorToWire(answer) },
    }));
    this.#last(id, { case: "batchResult", value: { responses } });
  }

  fail(id: CallId, error: ModrackError): void {
    try {
      this.#last(id, { case: "error", value: errorToWire(error) });
    } catch (tooLarge) {
      // No message has room for what the error says.
      this.#last(id, { case: "error", value: errorToWire(tooLarge as ModrackError) });
    }
  }

  #started(id: CallId, running: Running | undefined): void {
    if (running !== undefined) this.#running.set(id, running);
  }

  #last(id: CallId, frame: NonNullable<ProviderFrameInit["frame"]>): void {
    const isFirst = this.outgoing.isEmpty;
    this.outgoing.frame({ callId: BigInt(id), frame });
    this.#ended(id, isFirst);
  }

  #ended(id: CallId, isFirst: boolean): void {
    if (this.#running.size > 0) {
      this.#running.delete(id);
      this.#settle();
    }
    if (isFirst) this.#wake();
  }

  #settle(): void {
    if (this.#running.size === 0) for (const done of this.#idle.splice(0)) done();
  }

  #send(frame: ProviderFrameInit): void {
    const isFirst = this.outgoing.isEmpty;
    this.outgoing.frame(frame);
    if (isFirst) this.#wake();
  }
}

function cancelled(reason: CancelReason): ModrackError {
  if (reason === CancelReason.DEADLINE) {
    return new ModrackError("executor.deadline.exceeded", "the deadline passed", { category: "DEADLINE_EXCEEDED" });
  }
  const why = reason === CancelReason.SHUTDOWN ? "the host shuts down" : "the caller gave up";
  return new ModrackError("executor.call.cancelled", why, { category: "CANCELLED" });
}
