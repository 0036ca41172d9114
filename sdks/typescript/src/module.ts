// One module of a provider: an author's function with its types, compiled. Runs it, but decides neither where nor when.

import { cameFromCall } from "./called.js";
import { Codec } from "./codec/codec.js";
import type { Reader } from "./codec/reader.js";
import type { BatchContext, Context } from "./context.js";
import { CodecError, ModrackError, SchemaError } from "./errors.js";
import { type InputOf, type OutputOf, Refused, resolve, type Schema, type Validate } from "./schema.js";
import { StreamType } from "./types.js";

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

/** What a module is whose output is a stream of `O`. */
export interface StreamSpec<I extends Schema, O extends Schema> extends Omit<ModuleSpec<I, O>, "output" | "examples"> {
  /** `t.stream(…)` of the type of an item. */
  output: StreamType<O>;
}

/**
 * The function of a module. What it throws is the answer: a `ModuleError` as it is, anything else as `module.failed`, but for
 * a nested call that ran out of time or was cancelled (`executor.deadline.exceeded`, `executor.call.cancelled`).
 */
export type Handler<I extends Schema, O extends Schema> = (
  input: InputOf<I>,
  context: Context,
) => OutputOf<O> | Promise<OutputOf<O>>;

/**
 * The function of a module that streams: an async generator, a generator, or what else gives an iterable. It is asked for
 * the next item only when the caller has room for it. When the caller gives up, `context.signal` fires and the iterator is
 * closed, so that `finally` runs. What it throws ends the stream.
 */
export type StreamHandler<I extends Schema, O extends Schema> = (
  input: InputOf<I>,
  context: Context,
) => Items<OutputOf<O>> | Promise<Items<OutputOf<O>>>;

type Items<T> = AsyncIterable<T> | Iterable<T | Promise<T>>;

/**
 * The function of a module that takes several inputs at once, of which there is at least one. It answers with as many
 * outputs, in the order of the inputs; an `Error` in the place of an output fails that input alone. What it throws fails all.
 */
export type BatchHandler<I extends Schema, O extends Schema> = (
  inputs: InputOf<I>[],
  context: BatchContext,
) => Outputs<O> | Promise<Outputs<O>>;

type Outputs<O extends Schema> = readonly (OutputOf<O> | Error)[];

const NAME = /^[A-Za-z_][A-Za-z0-9_-]{0,127}$/;

interface Common {
  readonly name: string;
  readonly description: string;
  readonly version: string;
  readonly idempotent: boolean;
  readonly input: Codec;
  /** Of one item where the module streams. */
  readonly output: Codec;
  /** Pairs of encoded input and output. */
  readonly examples: readonly (readonly [Uint8Array, Uint8Array])[];
}

/** A compiled module that answers once. */
export interface CallModule extends Common {
  readonly kind: "call";
  /**
   * The output, to be encoded; a promise only where the handler or a validation is asynchronous. The input is read at once.
   *
   * @throws ModrackError with `executor.input.invalid`, `module.input_refused` or `executor.output.invalid`; what the handler throws.
   */
  readonly run: (input: Reader, context: Context) => unknown;
}

/** A compiled module that streams. */
export interface StreamModule extends Common {
  readonly kind: "stream";
  /** The iterator of the items; a promise only where the handler or a validation is asynchronous. Throws as `run`. */
  readonly open: (input: Reader, context: Context) => ItemSource | Promise<ItemSource>;
  /** An item as it may be encoded; a promise only where its validation is asynchronous. */
  readonly check: (item: unknown) => unknown;
}

/** The iterator of a stream. */
export type ItemSource = AsyncIterator<unknown> | Iterator<unknown>;

/** A compiled module that answers several inputs at once. */
export interface BatchModule extends Common {
  readonly kind: "batch";
  /** An input as the handler takes it; a promise only where its validation is asynchronous. Throws as `run`. */
  readonly read: (input: Reader) => unknown;
  /** The outputs of inputs that were read. @throws ModrackError with `module.batch_mismatch` for another number of them. */
  readonly run: (inputs: unknown[], context: BatchContext) => readonly unknown[] | Promise<readonly unknown[]>;
  /** An output as it may be encoded; a promise only where its validation is asynchronous. */
  readonly check: (output: unknown) => unknown;
}

/** A compiled module. */
export type Module = CallModule | StreamModule | BatchModule;

/**
 * The module of a function.
 *
 * @throws SchemaError for a name or type that the rules refuse, or an example that does not fit; the message names the module.
 */
export function compileModule<I extends Schema, O extends Schema>(
  name: string,
  spec: ModuleSpec<I, O> | StreamSpec<I, O>,
  handler: Handler<I, O> | StreamHandler<I, O>,
): CallModule | StreamModule {
  const call = handler as (value: unknown, context: Context) => unknown;
  if (spec.output instanceof StreamType) {
    const { common, input, output } = compile(name, { ...spec, output: spec.output.item as Schema });
    return {
      ...common,
      kind: "stream",
      open: (reader, context) =>
        chain(
          chain(input(reader), (valid) => call(valid, context)),
          (items) => itemsOf(name, items),
        ),
      check: output,
    };
  }
  const { common, input, output, checks } = compile(name, spec as ModuleSpec<Schema, Schema>);
  if (!checks) return { ...common, kind: "call", run: (reader, context) => call(input(reader), context) };
  return {
    ...common,
    kind: "call",
    run: (reader, context) =>
      chain(
        chain(input(reader), (valid) => call(valid, context)),
        output,
      ),
  };
}

/** The module of a function that takes several inputs; throws as {@link compileModule}. */
export function compileBatchModule<I extends Schema, O extends Schema>(
  name: string,
  spec: ModuleSpec<I, O>,
  handler: BatchHandler<I, O>,
): BatchModule {
  const { common, input, output } = compile(name, spec as unknown as ModuleSpec<Schema, Schema>);
  const call = handler as (values: unknown[], context: BatchContext) => unknown;
  return {
    ...common,
    kind: "batch",
    read: input,
    run: (values, context) => {
      const { length } = values;
      return chain(call(values, context), (outputs) => {
        if (Array.isArray(outputs) && outputs.length === length) return outputs as readonly unknown[];
        const found = Array.isArray(outputs) ? `${outputs.length} outputs` : typeof outputs;
        throw new ModrackError("module.batch_mismatch", `\`${name}\` answered ${length} inputs with ${found}`, {
          category: "UPSTREAM_ERROR",
          origin: "module",
        });
      });
    },
    check: output,
  };
}

/** One line for people: the name with its types. */
export function describeModule(module: Module): string {
  const output = module.kind === "stream" ? `stream of ${module.output.text}` : module.output.text;
  return `${module.name}: ${module.input.text} -> ${output}`;
}

/** What a caller learns of an output that does not fit its type; anything else passes as it is. */
export function outputFault(module: Module, error: unknown): unknown {
  if (!(error instanceof CodecError) || cameFromCall(error)) return error;
  const details = { codec_code: error.code, path: error.path };
  return invalidOutput(`the output of \`${module.name}\` is no ${module.output.text}: ${error.reason}`, details);
}

/** Whether a value is to be awaited. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}

interface Compiled {
  readonly common: Common;
  /** Decodes and validates. */
  readonly input: (reader: Reader) => unknown;
  /** Validates. */
  readonly output: (value: unknown) => unknown;
  /** Whether one of the two has validations of its own, which may be asynchronous. */
  readonly checks: boolean;
}

function compile(name: string, spec: ModuleSpec<Schema, Schema>): Compiled {
  if (!NAME.test(name)) throw new SchemaError("registry.name.invalid", `\`${name}\` is no module name`);
  const input = side(name, spec.input, "input");
  const output = side(name, spec.output, "output");
  const common = {
    name,
    description: spec.description ?? "",
    version: spec.version ?? "",
    idempotent: spec.idempotent ?? false,
    input: input.codec,
    output: output.codec,
    examples: (spec.examples ?? []).map((pair) => example(name, input.codec, output.codec, pair)),
  };
  const decode = (reader: Reader): unknown => decodeInput(name, input.codec, reader);
  return {
    common,
    input: input.validate === undefined ? decode : (reader) => refusing(input.validate as Validate, decode(reader)),
    output:
      output.validate === undefined ? (value) => value : (value) => checking(name, output.validate as Validate, value),
    checks: input.validate !== undefined || output.validate !== undefined,
  };
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
function chain<R>(value: unknown, next: (value: unknown) => R): R | Promise<Awaited<R>> {
  return isThenable(value) ? (Promise.resolve(value).then(next) as Promise<Awaited<R>>) : next(value);
}

function itemsOf(name: string, items: unknown): ItemSource {
  if (typeof items === "object" && items !== null) {
    if (Symbol.asyncIterator in items) return (items as AsyncIterable<unknown>)[Symbol.asyncIterator]();
    if (Symbol.iterator in items) return (items as Iterable<unknown>)[Symbol.iterator]();
  }
  throw invalidOutput(`\`${name}\` streams, but gave no iterable`);
}

function decodeInput(name: string, codec: Codec, reader: Reader): unknown {
  try {
    return codec.decodeFrom(reader);
  } catch (error) {
    if (!(error instanceof CodecError)) throw error;
    throw new ModrackError("executor.input.invalid", `the input of \`${name}\` is no ${codec.text}: ${error.reason}`, {
      category: "INVALID_ARGUMENT",
      details: { codec_code: error.code, path: error.path },
    });
  }
}

function invalidOutput(message: string, details: Record<string, string> = {}): ModrackError {
  return new ModrackError("executor.output.invalid", message, {
    category: "UPSTREAM_ERROR",
    origin: "module",
    details,
  });
}

function refusing(validate: Validate, value: unknown): unknown {
  return guarded(validate, value, (why) => {
    return new ModrackError("module.input_refused", why, { category: "INVALID_ARGUMENT", origin: "module" });
  });
}

function checking(name: string, validate: Validate, value: unknown): unknown {
  return guarded(validate, value, (why) =>
    invalidOutput(`the output of \`${name}\` is refused by its own schema: ${why}`),
  );
}

function guarded(validate: Validate, value: unknown, refuse: (why: string) => ModrackError): unknown {
  const told = (error: unknown): never => {
    throw error instanceof Refused ? refuse(error.message) : error;
  };
  try {
    const valid = validate(value);
    return isThenable(valid) ? Promise.resolve(valid).catch(told) : valid;
  } catch (error) {
    return told(error);
  }
}
