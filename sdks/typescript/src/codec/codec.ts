// A type with its compiled encoder and decoder: the one entry into this folder for the rest of the package.

import { CodecError } from "../errors.js";
import { type CType, formatType } from "./ctype.js";
import { compileDecoder, type Decode } from "./decode.js";
import { compileEncoder, type Encode } from "./encode.js";
import { type JsonValue, readJson, stringifyJson, writeJson } from "./json.js";
import { Fault } from "./path.js";
import { Reader } from "./reader.js";
import { Writer } from "./writer.js";

/** A buffer that grew beyond this is not kept for the next value. */
const KEEP = 1 << 20;

/** Values that are encoded while another is (a getter that calls the codec) follow it in the same buffer. */
let shared: Writer | undefined;

/** Encodes and decodes the values of one type. Cheap to keep, dear to make: it is compiled when it is made. */
export class Codec {
  /** The type's text, e.g. `{text: String}`. */
  readonly text: string;
  readonly #encode: Encode;
  readonly #decode: Decode;

  /** @param type keeps the rules: comes from `parseType`, or passed `checkType`. */
  constructor(readonly type: CType) {
    this.text = formatType(type);
    this.#encode = compileEncoder(type);
    this.#decode = compileDecoder(type);
  }

  /**
   * Canonical MessagePack of a value.
   *
   * @throws CodecError with the codes of `docs/codec.md` for native values, and the path to the first fault in the order of
   * the bytes.
   */
  encode(value: unknown): Uint8Array {
    shared ??= new Writer(8192);
    const writer = shared;
    const start = writer.at;
    try {
      this.#encode(writer, value);
      return new Uint8Array(writer.bytes.subarray(start, writer.at));
    } catch (error) {
      throw refusal(error);
    } finally {
      writer.at = start;
      if (writer.bytes.length > KEEP) shared = undefined;
    }
  }

  /**
   * Writes canonical MessagePack of a value at the writer's place, which is anywhere behind it after a failure.
   *
   * @throws CodecError as {@link encode}.
   * @internal
   */
  encodeTo(writer: Writer, value: unknown): void {
    try {
      this.#encode(writer, value);
    } catch (error) {
      throw refusal(error);
    }
  }

  /**
   * The value that MessagePack bytes hold. Nothing of it shares memory with the bytes.
   *
   * @throws CodecError with the first fault in reading order.
   */
  decode(bytes: Uint8Array): unknown {
    return this.decodeFrom(new Reader(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)));
  }

  /**
   * The value that the reader holds from its place to its end.
   *
   * @throws CodecError as {@link decode}.
   * @internal
   */
  decodeFrom(reader: Reader): unknown {
    try {
      const value = this.#decode(reader);
      if (reader.at < reader.end) throw new Fault("codec.trailing_bytes", "bytes follow the value");
      return value;
    } catch (error) {
      throw refusal(error);
    }
  }

  /**
   * The value that parsed JSON shows.
   *
   * @throws CodecError
   */
  fromJson(json: unknown): unknown {
    return guarded(() => readJson(this.type, json));
  }

  /**
   * Parsed JSON of a value; it reads back as the same value.
   *
   * @throws CodecError
   */
  toJson(value: unknown): JsonValue {
    return guarded(() => writeJson(this.type, value));
  }

  /**
   * The value that JSON text shows.
   *
   * @throws CodecError with `codec.json_syntax` for what is no JSON.
   */
  parse(text: string): unknown {
    let json: unknown;
    try {
      json = JSON.parse(text);
    } catch (error) {
      throw new CodecError("codec.json_syntax", error instanceof Error ? error.message : "no JSON text");
    }
    return this.fromJson(json);
  }

  /**
   * JSON text of a value; the sign of a negative zero is kept.
   *
   * @throws CodecError
   */
  stringify(value: unknown): string {
    return stringifyJson(this.toJson(value));
  }
}

function guarded<T>(run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw refusal(error);
  }
}

/** A fault as an error; what an author's getter throws passes as it is. */
function refusal(error: unknown): unknown {
  return error instanceof Fault ? new CodecError(error.code, error.reason, error.path) : error;
}
