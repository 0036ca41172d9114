// One module of a provider: an author's function with its types, compiled. Runs it, but decides neither where nor when.

import { Codec } from "./codec/codec.js";
import type { Context } from "./context.js";
import { CodecError, ModrackError, SchemaError } from "./errors.js";
import { type InputOf, type OutputOf, Refused, resolve, type Schema, type Validate } from "./schema.js";

/** What a module is, besides its name and its function. */
export interface ModuleSpec<I extends Schema, O extends Schema> {
  /** Type of the input: `{ text: t.string }` for the fields of a record, any `t` type, or a zod schema. */
  input: I;
  /** Type of the output, in the same forms. */
  output: O;
  /** What the module does, in a sentence or two. Default: empty. */
  description?: string;
  /** Semantic version. Default: the host reads none as `0.0.0`. */
  version?: string;
  /** Calling it twice with one input has the effect of calling it once, so that it may be retried. Default: false. */
  idempotent?: boolean;
  /** Inputs with the outputs that come out; checked here and at registration. Default: none. */
  examples?: readonly (readonly [input: InputOf<I>, output: OutputOf<O>])[];
}

/** The function of a module. What it throws is the answer: a `ModuleError` as it is, anything else as `module.failed`. */
export type Handler<I extends Schema, O extends Schema> = (
  input: InputOf<I>,
  context: Context,
) => OutputOf<O> | Promise<OutputOf<O>>;

const NAME = /^[A-Za-z_][A-Za-z0-9_-]{0,127}$/;

/** A compiled module. */
export interface Module {
  readonly name: string;
  readonly description: string;
  readonly version: string;
  readonly idempotent: boolean;
  readonly input: Codec;
  readonly output: Codec;
  /** Pairs of encoded input and output. */
  readonly examples: readonly (readonly [Uint8Array, Uint8Array])[];
  /**
   * The encoded output for an encoded input; a promise only where the handler or a validation is asynchronous.
   *
   * @throws ModrackError with `executor.input.invalid`, `module.input_refused` or `executor.output.invalid`; what the handler throws.
   */
  readonly run: (input: Uint8Array, context: Context) => Uint8Array | Promise<Uint8Array>;
}

/**
 * The module of a function.
 *
 * @throws SchemaError for a name or type that the rules refuse, or an example that does not fit; the message names the module.
 */
export function compileModule<I extends Schema, O extends Schema>(
  name: string,
  spec: ModuleSpec<I, O>,
  handler: Handler<I, O>,
): Module {
  if (!NAME.test(name)) throw new SchemaError("registry.name.invalid", `\`${name}\` is no module name`);
  const input = side(name, spec.input, "input");
  const output = side(name, spec.output, "output");
  const examples = (spec.examples ?? []).map((pair) => example(name, input.codec, output.codec, pair));
  const call = handler as (value: unknown, context: Context) => unknown;
  const begin = (value: unknown, context: Context): unknown =>
    chain(refusing(input.validate, value), (valid) => call(valid, context));
  const finish = (value: unknown): Uint8Array | Promise<Uint8Array> =>
    chain(checking(name, output.validate, value), (valid) => encodeOutput(name, output.codec, valid));
  return {
    name,
    description: spec.description ?? "",
    version: spec.version ?? "",
    idempotent: spec.idempotent ?? false,
    input: input.codec,
    output: output.codec,
    examples,
    run: (bytes, context) => chain(begin(decodeInput(name, input.codec, bytes), context), finish),
  };
}

/** One line for people: the name with its types. */
export function describeModule(module: Module): string {
  return `${module.name}: ${module.input.text} -> ${module.output.text}`;
}

function side(name: string, schema: Schema, which: "input" | "output"): { codec: Codec; validate?: Validate } {
  try {
    const { ctype, ...rest } = resolve(schema, which);
    return { codec: new Codec(ctype), ...rest };
  } catch (error) {
    if (!(error instanceof SchemaError)) throw error;
    throw new SchemaError(error.code, `${which} of module \`${name}\`: ${error.reason}`, error.path);
  }
}

function example(
  name: string,
  input: Codec,
  output: Codec,
  pair: readonly [input: unknown, output: unknown],
): readonly [Uint8Array, Uint8Array] {
  try {
    return [input.encode(pair[0]), output.encode(pair[1])];
  } catch (error) {
    if (!(error instanceof CodecError)) throw error;
    throw new SchemaError("registry.example.invalid", `an example of module \`${name}\`: ${error.reason}`, error.path);
  }
}

/** `await` that costs nothing where there is nothing to wait for. */
function chain<T, R>(value: T | Promise<T>, next: (value: T) => R | Promise<R>): R | Promise<R> {
  return isThenable(value) ? value.then(next) : next(value as T);
}

function isThenable<T>(value: T | Promise<T>): value is Promise<T> {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}

function decodeInput(name: string, codec: Codec, bytes: Uint8Array): unknown {
  try {
    return codec.decode(bytes);
  } catch (error) {
    if (!(error instanceof CodecError)) throw error;
    throw new ModrackError("executor.input.invalid", `the input of \`${name}\` is no ${codec.text}: ${error.reason}`, {
      category: "INVALID_ARGUMENT",
      details: { codec_code: error.code, path: error.path },
    });
  }
}

function encodeOutput(name: string, codec: Codec, value: unknown): Uint8Array {
  try {
    return codec.encode(value);
  } catch (error) {
    if (!(error instanceof CodecError)) throw error;
    throw new ModrackError(
      "executor.output.invalid",
      `the output of \`${name}\` is no ${codec.text}: ${error.reason}`,
      {
        category: "UPSTREAM_ERROR",
        origin: "module",
        details: { codec_code: error.code, path: error.path },
      },
    );
  }
}

function refusing(validate: Validate | undefined, value: unknown): unknown {
  return guarded(validate, value, (why) => {
    return new ModrackError("module.input_refused", why, { category: "INVALID_ARGUMENT", origin: "module" });
  });
}

function checking(name: string, validate: Validate | undefined, value: unknown): unknown {
  return guarded(validate, value, (why) => {
    const message = `the output of \`${name}\` is refused by its own schema: ${why}`;
    return new ModrackError("executor.output.invalid", message, { category: "UPSTREAM_ERROR", origin: "module" });
  });
}

function guarded(validate: Validate | undefined, value: unknown, refuse: (why: string) => ModrackError): unknown {
  if (validate === undefined) return value;
  const told = (error: unknown): never => {
    throw error instanceof Refused ? refuse(error.message) : error;
  };
  try {
    const valid = validate(value);
    return isThenable(valid) ? valid.catch(told) : valid;
  } catch (error) {
    return told(error);
  }
}
