// Reads the frames that hosts send often, in place and without objects of protobuf; all others by the generated code.
// Runs nothing: whoever listens decides what a frame means.
//
// What is read here is what `fromBinary(AttachResponseSchema, …)` reads, with two differences: a text that is no UTF-8 is read
// with replacement characters instead of refused, and a field that runs over the end of its message is refused instead of
// read. Anything unusual (a field that came twice, that is not known, or in another form) goes to the generated code.

import { fromBinary } from "@bufbuild/protobuf";

import { Reader } from "../codec/reader.js";
import { ModrackError } from "../errors.js";
import {
  AttachResponseSchema,
  type CancelReason,
  type HostFrame,
  HostFrameSchema,
} from "../generated/modrack/provider/v1/frames.js";
import { type Request, RequestView, requestOf } from "./request.js";

/** Which call of a connection; a number wherever one is exact. */
export type CallId = number | bigint;

/** Who is told the frames, in their order. */
export interface FrameListener {
  execute(id: CallId, request: Request): void;
  stream(id: CallId, request: Request, credit: number): void;
  credit(id: CallId, items: number): void;
  cancel(id: CallId, reason: CancelReason): void;
  /** Every other frame. */
  other(frame: HostFrame): void;
}

/** Why a message goes to the generated code. Thrown without a stack. */
const UNUSUAL = Symbol("unusual");

/** Names of modules that are kept as texts, less one. */
const NAMES = 63;

/** Reads messages from buffers. Keeps the last buffer alive until the next one comes. */
export class FrameReader {
  readonly #listener: FrameListener;
  #bytes: Buffer = Buffer.alloc(0);
  #input = new Reader(this.#bytes);
  #at = 0;
  readonly #names: ({ readonly bytes: Buffer; readonly text: string } | undefined)[] = new Array(NAMES + 1);

  constructor(listener: FrameListener) {
    this.#listener = listener;
  }

  /**
   * Tells the frames of the message from `start` to `end`.
   *
   * @throws ModrackError with `protocol.frame.malformed` for what is no message, or has no frames; what the listener throws.
   */
  message(bytes: Buffer, start: number, end: number): void {
    if (bytes !== this.#bytes) {
      this.#bytes = bytes;
      this.#input = new Reader(bytes);
    }
    if (start === end) throw malformed("a message without frames");
    this.#at = start;
    while (this.#at < end) {
      const at = this.#at;
      if (bytes[at] !== 0x0a) return this.#rest(at, end, at > start);
      this.#at = at + 1;
      const size = this.#length(end);
      if (size < 0) return this.#rest(at, end, at > start);
      const frameEnd = this.#at + size;
      this.#frame(this.#at, frameEnd);
      this.#at = frameEnd;
    }
  }

  /** The rest of a message, from a field that is no plain frame: a message's bytes from any field on are a message. */
  #rest(at: number, end: number, hadFrames: boolean): void {
    const { frames } = parse(() => fromBinary(AttachResponseSchema, this.#bytes.subarray(at, end)));
    if (frames.length === 0 && !hadFrames) throw malformed("a message without frames");
    for (const frame of frames) this.#generated(frame);
  }

  #frame(start: number, end: number): void {
    let id = 0;
    let request: Request | undefined;
    let kind = 0;
    let number = 0;
    try {
      if (this.#bytes[this.#at] === 0x08) {
        this.#at += 1;
        id = this.#uint(end);
      }
      if (this.#at >= end) throw UNUSUAL;
      kind = this.#bytes[this.#at++] as number;
      const size = this.#length(end);
      // Whatever follows the frame's content is unusual.
      if (size < 0 || this.#at + size !== end) throw UNUSUAL;
      if (kind === 0x1a) request = this.#request(end);
      else if (kind === 0x22 || kind === 0x2a) number = this.#number(end);
      else if (kind === 0x52) {
        if (this.#bytes[this.#at++] !== 0x0a) throw UNUSUAL;
        const inner = this.#length(end);
        if (inner < 0) throw UNUSUAL;
        const requestEnd = this.#at + inner;
        request = this.#request(requestEnd);
        number = this.#number(end, 0x10);
      } else throw UNUSUAL;
    } catch (error) {
      if (error !== UNUSUAL) throw error;
      return this.#generated(parse(() => fromBinary(HostFrameSchema, this.#bytes.subarray(start, end))));
    }
    if (kind === 0x1a) this.#listener.execute(id, request as Request);
    else if (kind === 0x52) this.#listener.stream(id, request as Request, number);
    else if (kind === 0x2a) this.#listener.credit(id, number);
    else this.#listener.cancel(id, number);
  }

  #generated(frame: HostFrame): void {
    const id = idOf(frame.callId);
    const { frame: content } = frame;
    switch (content.case) {
      case "execute":
        return this.#listener.execute(id, requestOf(content.value));
      case "executeStream": {
        const { request, credit } = content.value;
        if (request === undefined) throw malformed("a stream without a request");
        return this.#listener.stream(id, requestOf(request), credit);
      }
      case "credit":
        return this.#listener.credit(id, content.value.items);
      case "cancel":
        return this.#listener.cancel(id, content.value.reason);
      default:
        return this.#listener.other(frame);
    }
  }

  /** A message of one number at most, in field 1 or the one that `tag` says. */
  #number(end: number, tag = 0x08): number {
    if (this.#at === end) return 0;
    if (this.#bytes[this.#at++] !== tag) throw UNUSUAL;
    const number = this.#uint(end);
    if (this.#at !== end || number > 0x7fffffff) throw UNUSUAL;
    return number;
  }

  #request(end: number): Request {
    const bytes = this.#bytes;
    const request = new RequestView(bytes, this.#input);
    let inputAt = end;
    let inputEnd = end;
    let before = 0;
    while (this.#at < end) {
      const tag = bytes[this.#at++] as number;
      // Fields in their order, each at most once: another order may repeat one.
      if (tag <= before || tag > 0x48) throw UNUSUAL;
      before = tag;
      if (tag === 0x28) request.attempt = this.#uint(end);
      else if (tag === 0x48) request.timeoutMs = this.#uint(end);
      else {
        const size = this.#length(end);
        if (size < 0) throw UNUSUAL;
        const at = this.#at;
        this.#at = at + size;
        switch (tag) {
          case 0x0a:
            request.module = this.#moduleName(at, at + size);
            break;
          case 0x12:
            inputAt = at;
            inputEnd = at + size;
            break;
          case 0x1a:
            request.executionAt = at;
            request.executionEnd = at + size;
            break;
          case 0x22:
            request.nodeAt = at;
            request.nodeEnd = at + size;
            break;
          case 0x32:
            request.keyAt = at;
            request.keyEnd = at + size;
            break;
          case 0x3a:
            request.parentAt = at;
            request.parentEnd = at + size;
            break;
          case 0x42:
            request.stateAt = at;
            request.stateEnd = at + size;
            break;
          default:
            throw UNUSUAL;
        }
      }
    }
    if (this.#at !== end || request.attempt > 0x7fffffff || request.timeoutMs > 0xffffffff) throw UNUSUAL;
    this.#input.at = inputAt;
    this.#input.end = inputEnd;
    return request;
  }

  /** A text is made only for a name that did not come lately. */
  #moduleName(at: number, end: number): string {
    const bytes = this.#bytes;
    const size = end - at;
    if (size === 0) return "";
    const slot = (size * 31 + (bytes[at] as number) * 7 + (bytes[end - 1] as number)) & NAMES;
    const known = this.#names[slot];
    if (known !== undefined && known.bytes.length === size) {
      let same = 0;
      while (same < size && bytes[at + same] === known.bytes[same]) same += 1;
      if (same === size) return known.text;
    }
    const text = bytes.toString("utf8", at, end);
    this.#names[slot] = { bytes: Buffer.from(bytes.subarray(at, end)), text };
    return text;
  }

  /** A length that what is left has room for; -1 for any other. */
  #length(end: number): number {
    const size = this.#uintOrNegative(end);
    return size >= 0 && this.#at + size <= end ? size : -1;
  }

  #uint(end: number): number {
    const value = this.#uintOrNegative(end);
    if (value < 0) throw UNUSUAL;
    return value;
  }

  /** A varint up to 2^49 − 1; -1 for a longer or broken one. */
  #uintOrNegative(end: number): number {
    const bytes = this.#bytes;
    let at = this.#at;
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 7 && at < end; i += 1) {
      const byte = bytes[at++] as number;
      if (byte < 0x80) {
        this.#at = at;
        return value + byte * scale;
      }
      value += (byte & 0x7f) * scale;
      scale *= 0x80;
    }
    return -1;
  }
}

/** The failure of a peer that does not keep to the frame protocol. */
export function malformed(why: string): ModrackError {
  return new ModrackError("protocol.frame.malformed", why, { category: "INVALID_ARGUMENT" });
}

function parse<T>(read: () => T): T {
  try {
    return read();
  } catch {
    throw malformed("bytes that are no message");
  }
}

/** The id of a generated frame. */
export function idOf(id: bigint): CallId {
  return id <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(id) : id;
}
