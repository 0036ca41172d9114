// MessagePack tokens from bytes: checks forms, lengths, ranges and UTF-8. Knows no types.

import { isUtf8 } from "node:buffer";

import { Fault } from "./path.js";

/** Strings up to this length are read character by character, which is faster than crossing into C++. */
const SHORT = 24;

const SAFE_HIGH = 0x1fffff;

/** A place in the input. Every method reads one token and throws a {@link Fault}. */
export class Reader {
  at = 0;
  /** Nothing is read from here on. */
  end: number;
  readonly view: DataView;

  constructor(readonly bytes: Buffer) {
    this.end = bytes.length;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  /** The next byte, unread. */
  peek(): number {
    if (this.at >= this.end) throw truncated();
    return this.bytes[this.at] as number;
  }

  /** The next byte. */
  head(): number {
    if (this.at >= this.end) throw truncated();
    return this.bytes[this.at++] as number;
  }

  /** The place of `size` bytes, which are left behind. */
  take(size: number): number {
    const { at } = this;
    if (size > this.end - at) throw truncated();
    this.at = at + size;
    return at;
  }

  bool(): boolean {
    const head = this.head();
    if (head === 0xc3) return true;
    if (head === 0xc2) return false;
    throw unexpected(head, "a boolean");
  }

  /** An integer: a number where it is safe, else a bigint. */
  int(): number | bigint {
    const head = this.head();
    if (head < 0x80) return head;
    const value = this.intOf(head);
    if (value === undefined) throw unexpected(head, "an integer");
    return value;
  }

  /** The integer that `head` begins; `undefined` where it begins something else. */
  intOf(head: number): number | bigint | undefined {
    if (head < 0x80) return head;
    if (head >= 0xe0) return head - 0x100;
    const { view } = this;
    switch (head) {
      case 0xcc:
        return view.getUint8(this.take(1));
      case 0xcd:
        return view.getUint16(this.take(2));
      case 0xce:
        return view.getUint32(this.take(4));
      case 0xd0:
        return view.getInt8(this.take(1));
      case 0xd1:
        return view.getInt16(this.take(2));
      case 0xd2:
        return view.getInt32(this.take(4));
      case 0xcf: {
        const at = this.take(8);
        const high = view.getUint32(at);
        if (high <= SAFE_HIGH) return high * 0x100000000 + view.getUint32(at + 4);
        if (high >= 0x80000000) throw new Fault("codec.int_range", "the integer is outside 64 bits");
        return view.getBigUint64(at);
      }
      case 0xd3: {
        const value = view.getBigInt64(this.take(8));
        const number = Number(value);
        return Number.isSafeInteger(number) ? number : value;
      }
      default:
        return undefined;
    }
  }

  /** A Float: also an integer that float64 holds exactly. */
  float(): number {
    const head = this.head();
    if (head === 0xcb) return this.view.getFloat64(this.take(8));
    if (head === 0xca) return this.view.getFloat32(this.take(4));
    const value = this.intOf(head);
    if (value === undefined) throw unexpected(head, "a float");
    const float = Number(value);
    if (typeof value === "bigint" && BigInt(float) !== value) {
      throw new Fault("codec.float_inexact", `the integer ${value} has no exact float`);
    }
    return float;
  }

  string(): string {
    const head = this.head();
    const size = this.stringSize(head);
    if (size < 0) throw unexpected(head, "a string");
    return this.text(size);
  }

  /** The size of the str that `head` begins; -1 where it begins something else. */
  stringSize(head: number): number {
    if (head >= 0xa0 && head <= 0xbf) return head & 0x1f;
    return head >= 0xd9 && head <= 0xdb ? this.#size(head - 0xd9) : -1;
  }

  /** The size of the bin that `head` begins; -1 where it begins something else. */
  binSize(head: number): number {
    return head >= 0xc4 && head <= 0xc6 ? this.#size(head - 0xc4) : -1;
  }

  /** The length of the array that `head` begins, checked against what is left; -1 where it begins something else. */
  arrayLength(head: number): number {
    if (head >= 0x90 && head <= 0x9f) return this.#atMost(head & 0x0f, this.end - this.at);
    if (head !== 0xdc && head !== 0xdd) return -1;
    const length = this.#size(head - 0xdb);
    return this.#atMost(length, this.end - this.at);
  }

  /** The entries of the map that `head` begins, checked against what is left; -1 where it begins something else. */
  mapLength(head: number): number {
    if (head >= 0x80 && head <= 0x8f) return this.#atMost(head & 0x0f, (this.end - this.at) / 2);
    if (head !== 0xde && head !== 0xdf) return -1;
    const length = this.#size(head - 0xdd);
    return this.#atMost(length, (this.end - this.at) / 2);
  }

  array(): number {
    const head = this.head();
    const length = this.arrayLength(head);
    if (length < 0) throw unexpected(head, "a list");
    return length;
  }

  map(what: string): number {
    const head = this.head();
    const length = this.mapLength(head);
    if (length < 0) throw unexpected(head, what);
    return length;
  }

  /** A copy of `size` bytes: the input belongs to whoever received it. */
  copy(size: number): Uint8Array {
    const at = this.take(size);
    return new Uint8Array(this.bytes.subarray(at, at + size));
  }

  /** `size` bytes of valid UTF-8. */
  text(size: number): string {
    const at = this.take(size);
    const { bytes } = this;
    if (size <= SHORT) {
      let text = "";
      for (let i = at; i < at + size; i += 1) {
        const byte = bytes[i] as number;
        if (byte >= 0x80) return this.#utf8(at, size);
        text += String.fromCharCode(byte);
      }
      return text;
    }
    return this.#utf8(at, size);
  }

  #utf8(at: number, size: number): string {
    if (!isUtf8(this.bytes.subarray(at, at + size))) {
      throw new Fault("codec.utf8", "the text is not valid UTF-8");
    }
    return this.bytes.toString("utf8", at, at + size);
  }

  /** A length of 1, 2 or 4 bytes. */
  #size(form: number): number {
    if (form === 0) return this.view.getUint8(this.take(1));
    return form === 1 ? this.view.getUint16(this.take(2)) : this.view.getUint32(this.take(4));
  }

  #atMost(length: number, most: number): number {
    if (length > most) throw truncated();
    return length;
  }
}

function truncated(): Fault {
  return new Fault("codec.truncated", "the bytes end too early");
}

/** The refusal of a value of another kind: extension types and `c1` have a code of their own. */
export function unexpected(head: number, wanted: string): Fault {
  const unsupported = head === 0xc1 || (head >= 0xc7 && head <= 0xc9) || (head >= 0xd4 && head <= 0xd8);
  return unsupported
    ? new Fault("codec.unsupported", "extension types and the byte c1 stand for no value")
    : new Fault("codec.type_mismatch", `expected ${wanted}, found the byte ${head.toString(16).padStart(2, "0")}`);
}
