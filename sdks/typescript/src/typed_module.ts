// What generated bindings are made of: modules whose types are known before a host is asked. Calls nothing itself.

import { createHash } from "node:crypto";

import { Codec } from "./codec/codec.js";
import type { Type } from "./types.js";

/** A module with the types that a caller was written for. */
export interface TypedModuleSpec<I, O> {
  /** The type of the input, its fields in the order of the registered type; for a record, `t.record`. */
  readonly input: Type<unknown, I>;
  /** The type of the output; of one item when the module streams. */
  readonly output: Type<O, unknown>;
}

/** What {@link TypedModule} and {@link TypedStream} share. */
abstract class Typed<in I, out O> {
  /** For the compiler only. */
  declare readonly signature: (input: I) => O;
  readonly #spec: TypedModuleSpec<unknown, unknown>;
  #input: Codec | undefined;
  #output: Codec | undefined;
  #fingerprint: string | undefined;

  constructor(
    /** Qualified name, `namespace.Name`. */
    readonly name: string,
    spec: TypedModuleSpec<I, O>,
  ) {
    this.#spec = spec;
  }

  /** SHA-256 of the types; the host refuses a call with `registry.schema.changed` when the module's is another. */
  get fingerprint(): string {
    const text = () => `${this.input.text} -> ${this.output.text}`;
    this.#fingerprint ??= createHash("sha256").update(text()).digest("hex");
    return this.#fingerprint;
  }

  /** Encodes what the module takes. */
  get input(): Codec {
    this.#input ??= new Codec(this.#spec.input.ctype);
    return this.#input;
  }

  /** Decodes what the module gives. */
  get output(): Codec {
    this.#output ??= new Codec(this.#spec.output.ctype);
    return this.#output;
  }
}

/**
 * A module with the types that a caller was written for: `I` is what a call takes, `O` what it gives. Made by generated
 * bindings, or by hand:
 *
 * ```ts
 * const wordCount = new TypedModule("text.WordCount", { input: t.record({ text: t.string }), output: t.int });
 * const words = await client.call(wordCount, { text: "to be or not to be" }); // number | bigint
 * ```
 *
 * Cheap to make: its codecs are made when it is called first.
 */
export class TypedModule<in I, out O> extends Typed<I, O> {
  /** Tells it from a {@link TypedStream}. */
  readonly kind = "call";
}

/**
 * A module that streams, with the types that a caller was written for: `I` is what a call takes, `O` an item.
 *
 * ```ts
 * const lines = new TypedStream("logs.Follow", { input: t.record({ file: t.string }), output: t.string });
 * for await (const line of client.stream(lines, { file: "a.log" })) console.log(line); // string
 * ```
 */
export class TypedStream<in I, out O> extends Typed<I, O> {
  /** Tells it from a {@link TypedModule}. */
  readonly kind = "stream";
}
