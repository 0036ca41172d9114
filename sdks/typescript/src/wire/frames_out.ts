// Gathers the frames that leave together, as messages in one buffer. Sends nothing.
//
// Outputs and items are encoded where they leave, behind a header that is written when their size is known; all other
// frames by the generated code. The bytes are those of `toBinary(AttachRequestSchema, …)`.

import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";

import type { Codec } from "../codec/codec.js";
import { Writer } from "../codec/writer.js";
import { ModrackError } from "../errors.js";
import { ProviderFrameSchema } from "../generated/modrack/provider/v1/frames.js";
import type { CallId } from "./frames_in.js";

/** A frame as the generated code takes it. */
export type ProviderFrameInit = MessageInitShape<typeof ProviderFrameSchema>;

/** Tags of the frames that are written here, in `ProviderFrame`. */
const RESULT = 0x1a;
const ITEM = 0x22;

/** The longest header of a frame, with the prefix of a message: tags, lengths and a call id. */
const MOST_HEADER = 40;

const FIRST_SIZE = 16 << 10;
/** A buffer that grew beyond this is not kept. */
const KEEP = 1 << 20;

/** The frames that wait. */
export class FrameWriter {
  readonly #prefix: number;
  readonly #most: number;
  #writer = new Writer(FIRST_SIZE);
  /** Where each message begins, behind its prefix. */
  #starts: number[] = [];
  #lastSize = 0;

  /**
   * @param prefix bytes of the big-endian length before each message: 4, or 0 for none.
   * @param most bytes of the largest message.
   */
  constructor(prefix: 0 | 4, most: number) {
    this.#prefix = prefix;
    this.#most = most;
  }

  /** Whether nothing waits. */
  get isEmpty(): boolean {
    return this.#writer.at === 0;
  }

  /**
   * The frame that answers a call with its output.
   *
   * @throws CodecError for a value that is not of the type; ModrackError with `module.output_too_large`. Nothing is added then.
   */
  result(id: CallId, codec: Codec, value: unknown): void {
    this.#payload(RESULT, id, codec, value);
  }

  /** The frame of one item of a stream; throws as {@link result}. */
  item(id: CallId, codec: Codec, value: unknown): void {
    this.#payload(ITEM, id, codec, value);
  }

  /**
   * Any frame.
   *
   * @throws ModrackError with `module.output_too_large`; nothing is added then.
   */
  frame(init: ProviderFrameInit): void {
    const bytes = toBinary(ProviderFrameSchema, create(ProviderFrameSchema, init));
    const header = 1 + varintSize(bytes.length);
    const begin = this.#begin();
    this.#writer.reserve(bytes.length + MOST_HEADER);
    const at = this.#place(begin, header + bytes.length);
    const buffer = this.#writer.bytes;
    buffer[at] = 0x0a;
    buffer.set(bytes, putVarint(buffer, at + 1, bytes.length));
    this.#writer.at = at + header + bytes.length;
  }

  /** All messages, each behind its prefix, as one run of bytes that is valid until {@link reset} or the next frame. */
  bytes(): Buffer {
    const { bytes, at } = this.#writer;
    const { length } = this.#starts;
    for (let i = 0; this.#prefix > 0 && i < length; i += 1) {
      const start = this.#starts[i] as number;
      const end = i + 1 < length ? (this.#starts[i + 1] as number) - this.#prefix : at;
      bytes.writeUInt32BE(end - start, start - this.#prefix);
    }
    return bytes.subarray(0, at);
  }

  /** The messages alone, as copies. */
  messages(): Buffer[] {
    const { bytes, at } = this.#writer;
    return this.#starts.map((start, i) => {
      const next = this.#starts[i + 1];
      return Buffer.from(bytes.subarray(start, next === undefined ? at : next - this.#prefix));
    });
  }

  /** Begins anew. `isInUse` says that somebody still reads what {@link bytes} gave. */
  reset(isInUse: boolean): void {
    if (isInUse || this.#writer.bytes.length > KEEP) this.#writer = new Writer(FIRST_SIZE);
    this.#writer.at = 0;
    this.#starts.length = 0;
  }

  #payload(tag: number, id: CallId, codec: Codec, value: unknown): void {
    const begin = this.#begin();
    const writer = this.#writer;
    writer.reserve(MOST_HEADER);
    const idSize = idBytes(id);
    // Where the content begins follows from its size; outputs of one connection are mostly alike.
    const guess = headerSize(idSize, this.#lastSize);
    writer.at = begin + guess;
    let size: number;
    try {
      codec.encodeTo(writer, value);
      size = writer.at - begin - guess;
    } catch (error) {
      this.#rollBack(begin);
      throw error;
    }
    const header = headerSize(idSize, size);
    this.#lastSize = size;
    writer.reserve(MOST_HEADER);
    const at = this.#place(begin, header + size);
    const to = at + header;
    if (to !== begin + guess) writer.bytes.copyWithin(to, begin + guess, begin + guess + size);
    const { bytes } = writer;
    const inner = 1 + varintSize(size) + size;
    let put = at;
    bytes[put] = 0x0a;
    put = putVarint(bytes, put + 1, idSize + 1 + varintSize(inner) + inner);
    put = putId(bytes, put, id);
    bytes[put] = tag;
    put = putVarint(bytes, put + 1, inner);
    bytes[put] = 0x0a;
    putVarint(bytes, put + 1, size);
    writer.at = to + size;
  }

  /** Where the next frame begins if it belongs to the message that is being written. */
  #begin(): number {
    if (this.#starts.length === 0) {
      this.#starts.push(this.#prefix);
      this.#writer.at = this.#prefix;
    }
    return this.#writer.at;
  }

  /** Where a frame of this size begins: in a message of its own where the present one has no room for it. */
  #place(begin: number, size: number): number {
    if (size > this.#most) {
      this.#rollBack(begin);
      throw tooLarge(size, this.#most);
    }
    const start = this.#starts.at(-1) as number;
    if (begin === start || begin - start + size <= this.#most) return begin;
    this.#starts.push(begin + this.#prefix);
    return begin + this.#prefix;
  }

  #rollBack(begin: number): void {
    this.#writer.at = begin;
    if (begin === this.#prefix) this.reset(false);
  }
}

/** The failure of a call whose answer no message has room for. */
export function tooLarge(size: number, most: number): ModrackError {
  const message = `the output needs a message of ${size} bytes, which may have ${most}`;
  return new ModrackError("module.output_too_large", message, { category: "UPSTREAM_ERROR", origin: "module" });
}

/** What stands before a content of `size` bytes: message field, call id, frame, content field. */
function headerSize(idSize: number, size: number): number {
  const inner = 1 + varintSize(size) + size;
  const frame = idSize + 1 + varintSize(inner) + inner;
  return 1 + varintSize(frame) + frame - size;
}

function varintSize(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x200000) return 3;
  return value < 0x10000000 ? 4 : 5;
}

function putVarint(bytes: Buffer, at: number, value: number): number {
  let rest = value;
  let next = at;
  while (rest >= 0x80) {
    bytes[next++] = (rest & 0x7f) | 0x80;
    rest = rest < 0x80000000 ? rest >>> 7 : Math.floor(rest / 0x80);
  }
  bytes[next++] = rest;
  return next;
}

/** Bytes of the field `call_id`; 0 is left out. */
function idBytes(id: CallId): number {
  if (typeof id === "number" && id < 0x80) return id === 0 ? 0 : 2;
  let size = 1;
  if (typeof id === "number") for (let rest = id; rest >= 1; rest = Math.floor(rest / 0x80)) size += 1;
  else for (let rest = id; rest > 0n; rest >>= 7n) size += 1;
  return size;
}

function putId(bytes: Buffer, at: number, id: CallId): number {
  if (id === 0 || id === 0n) return at;
  bytes[at] = 0x08;
  if (typeof id === "number") return putVarint(bytes, at + 1, id);
  let rest = id;
  let next = at + 1;
  for (; rest >= 0x80n; rest >>= 7n) bytes[next++] = Number(rest & 0x7fn) | 0x80;
  bytes[next++] = Number(rest);
  return next;
}
