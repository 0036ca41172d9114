// Canonical MessagePack tokens, written into a buffer that grows. Knows no types.

import { isInt64 } from "./fit.js";
import { Fault } from "./path.js";

/** Strings up to this length are copied character by character, which is faster than crossing into C++. */
const SHORT = 40;

/** A growing buffer. `at` is where the next byte goes; whoever writes reserves room first. */
export class Writer {
  bytes: Buffer;
  view: DataView;
  at = 0;

  constructor(size: number) {
    this.bytes = Buffer.allocUnsafeSlow(size);
    this.view = new DataView(this.bytes.buffer);
  }

  /** Makes room for `size` more bytes. */
  reserve(size: number): void {
    if (this.at + size > this.bytes.length) this.#grow(this.at + size);
  }

  #grow(least: number): void {
    const bytes = Buffer.allocUnsafeSlow(Math.max(least, 2 * this.bytes.length));
    bytes.set(this.bytes.subarray(0, this.at));
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer);
  }

  byte(value: number): void {
    this.reserve(1);
    this.bytes[this.at++] = value;
  }

  /** The shortest form of a safe integer. */
  int(value: number): void {
    this.reserve(9);
    const { bytes, view } = this;
    let { at } = this;
    if (value >= 0) {
      if (value < 0x80) bytes[at++] = value;
      else if (value < 0x100) {
        bytes[at++] = 0xcc;
        bytes[at++] = value;
      } else if (value < 0x10000) {
        bytes[at] = 0xcd;
        view.setUint16(at + 1, value);
        at += 3;
      } else if (value < 0x100000000) {
        bytes[at] = 0xce;
        view.setUint32(at + 1, value);
        at += 5;
      } else {
        bytes[at] = 0xcf;
        view.setUint32(at + 1, Math.floor(value / 0x100000000));
        view.setUint32(at + 5, value >>> 0);
        at += 9;
      }
    } else if (value >= -0x20) bytes[at++] = value & 0xff;
    else if (value >= -0x80) {
      bytes[at++] = 0xd0;
      bytes[at++] = value & 0xff;
    } else if (value >= -0x8000) {
      bytes[at] = 0xd1;
      view.setInt16(at + 1, value);
      at += 3;
    } else if (value >= -0x80000000) {
      bytes[at] = 0xd2;
      view.setInt32(at + 1, value);
      at += 5;
    } else {
      bytes[at] = 0xd3;
      view.setInt32(at + 1, Math.floor(value / 0x100000000));
      view.setUint32(at + 5, value >>> 0);
      at += 9;
    }
    this.at = at;
  }

  /** The shortest form of an integer; refused beyond 64 bits. */
  bigint(value: bigint): void {
    if (value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER)) {
      this.int(Number(value));
      return;
    }
    if (!isInt64(value)) throw new Fault("codec.int_range", "the integer is outside 64 bits");
    this.reserve(9);
    this.bytes[this.at] = value >= 0n ? 0xcf : 0xd3;
    this.view.setBigInt64(this.at + 1, value);
    this.at += 9;
  }

  /** float64; every NaN has the same bits. */
  float(value: number): void {
    this.reserve(9);
    this.bytes[this.at] = 0xcb;
    if (Number.isNaN(value)) {
      // What JavaScript writes for a NaN is left to the engine.
      this.view.setUint32(this.at + 1, 0x7ff80000);
      this.view.setUint32(this.at + 5, 0);
    } else {
      this.view.setFloat64(this.at + 1, value);
    }
    this.at += 9;
  }

  /** A str; refused with a lone surrogate. */
  string(value: string): void {
    const { length } = value;
    this.reserve(5 + 3 * length);
    if (length <= SHORT && this.#ascii(value)) return;
    if (!value.isWellFormed()) throw new Fault("codec.utf8", "the text holds a lone surrogate");
    // The header's size follows from the size of the text, which is known when the text stands behind it.
    const guess = headerSize(length);
    const size = this.bytes.write(value, this.at + guess);
    const header = headerSize(size);
    if (header !== guess) this.bytes.copyWithin(this.at + header, this.at + guess, this.at + guess + size);
    this.#sized(size, 0xa0, 31, 0xd9);
    this.at += size;
  }

  #ascii(value: string): boolean {
    const { bytes } = this;
    const { length } = value;
    let at = this.at;
    if (length < 32) bytes[at++] = 0xa0 | length;
    else {
      bytes[at++] = 0xd9;
      bytes[at++] = length;
    }
    for (let i = 0; i < length; i += 1) {
      const unit = value.charCodeAt(i);
      if (unit >= 0x80) return false;
      bytes[at++] = unit;
    }
    this.at = at;
    return true;
  }

  bin(value: Uint8Array): void {
    this.reserve(5 + value.length);
    this.#sized(value.length, 0, -1, 0xc4);
    this.bytes.set(value, this.at);
    this.at += value.length;
  }

  array(length: number): void {
    this.reserve(5);
    this.#counted(length, 0x90, 0xdc);
  }

  map(length: number): void {
    this.reserve(5);
    this.#counted(length, 0x80, 0xde);
  }

  #counted(length: number, fix: number, form16: number): void {
    if (length < 16) this.bytes[this.at++] = fix | length;
    else if (length < 0x10000) {
      this.bytes[this.at] = form16;
      this.view.setUint16(this.at + 1, length);
      this.at += 3;
    } else {
      this.bytes[this.at] = form16 + 1;
      this.view.setUint32(this.at + 1, length);
      this.at += 5;
    }
  }

  /** The header of a str or bin. */
  #sized(size: number, fix: number, fixMost: number, form8: number): void {
    if (size <= fixMost) this.bytes[this.at++] = fix | size;
    else if (size < 0x100) {
      this.bytes[this.at++] = form8;
      this.bytes[this.at++] = size;
    } else if (size < 0x10000) {
      this.bytes[this.at] = form8 + 1;
      this.view.setUint16(this.at + 1, size);
      this.at += 3;
    } else {
      this.bytes[this.at] = form8 + 2;
      this.view.setUint32(this.at + 1, size);
      this.at += 5;
    }
  }
}

function headerSize(size: number): number {
  if (size < 32) return 1;
  if (size < 0x100) return 2;
  return size < 0x10000 ? 3 : 5;
}

/**
 * The canonical order of string keys: that of their encoded bytes, so the shorter one first, then UTF-8 order, which
 * differs from the order of UTF-16 units where surrogates are.
 */
export function compareKeys(a: string, b: string): number {
  const bySize = Buffer.byteLength(a) - Buffer.byteLength(b);
  if (bySize !== 0) return bySize;
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i += 1) {
    const left = a.charCodeAt(i);
    const right = b.charCodeAt(i);
    if (left !== right) return utf8Rank(left) - utf8Rank(right);
  }
  return a.length - b.length;
}

/** Surrogates stand for characters beyond all others; the units behind them move down. */
function utf8Rank(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
}
