// Calls the modules of a provider through the codec, in memory. Needs no host and opens no connection.

import type { Scope } from "./client/channel.js";
import { Client } from "./client.js";
import { ModrackError } from "./errors.js";
import { type Logger, stderrLogger } from "./logger.js";
import type { Module } from "./module.js";
import type { Provider } from "./provider/provider.js";
import { Runner } from "./provider/runner.js";
import type { Running, Sink } from "./provider/sink.js";
import { type Request, readerOf } from "./wire/request.js";

/** What a test says of the call besides its input. */
export interface TestCall {
  /** Default: `test`. */
  executionId?: string;
  /** Default: empty. */
  nodeId?: string;
  /** Default: 1. */
  attempt?: number;
  /** Default: empty. */
  idempotencyKey?: string;
  /** W3C trace context. Default: empty. */
  traceparent?: string;
  /** Milliseconds that the handler is told to have. When they are over its signal fires and the call fails. Default: none. */
  timeoutMs?: number;
  /** Cancels the call when it fires, as a caller who gives up. */
  signal?: AbortSignal;
  /** Default: lines on stderr. */
  logger?: Logger;
  /** What the handler finds as `context.client`. Default: a client of the host that `MODRACK_HOST` names. */
  client?: Client;
}

/**
 * The output of a provider's module, as a caller would get it: the input and the output pass through their bytes, so that
 * what the types refuse is refused here too.
 *
 * ```ts
 * assert.equal(await callModule(provider, "Uppercase", { text: "hello" }), "HELLO");
 * ```
 *
 * @param name unqualified.
 * @typeParam Output what the test knows the output to be.
 * @throws CodecError for an input that is not of the declared type; ModrackError: what a caller would get from the module.
 */
export async function callModule<Output = unknown>(
  provider: Provider,
  name: string,
  input: unknown = {},
  call: TestCall = {},
): Promise<Output> {
  const module = find(provider, name);
  const request = requestOf(module, input, call);
  return running(call, ({ resolve, reject }) => {
    const sink = sinkOf(reject, {
      answer: (_, of, value) => resolve(of.output.decode(of.output.encode(value)) as Output),
      encoded: (_, output) => resolve(module.output.decode(output) as Output),
    });
    return runnerOf(provider, call).call(0, request, sink);
  });
}

/**
 * The items of a provider's module that streams, one by one: the handler is not asked for the next one before the test is.
 * Leaving the loop cancels the call.
 *
 * ```ts
 * for await (const n of streamModule<number>(provider, "Count", { to: 3 })) console.log(n);
 * ```
 *
 * @throws as {@link callModule}.
 */
export async function* streamModule<Item = unknown>(
  provider: Provider,
  name: string,
  input: unknown = {},
  call: TestCall = {},
): AsyncGenerator<Item, void, undefined> {
  const request = requestOf(find(provider, name), input, call);
  let wanted: PromiseWithResolvers<IteratorResult<Item, undefined>> = promised();
  const sink = sinkOf((error) => wanted.reject(error), {
    item: (_, of, item) => wanted.resolve({ done: false, value: of.output.decode(of.output.encode(item)) as Item }),
    end: () => wanted.resolve({ done: true, value: undefined }),
  });
  let stream: Running | undefined;
  const over = new AbortController();
  const stopped = running(call, ({ reject }) => {
    over.signal.addEventListener("abort", () => reject(gaveUp()), { once: true });
    stream = runnerOf(provider, call).stream(0, request, 1, sink);
    return stream;
  });
  // Told through the item that is awaited, if there is one.
  stopped.catch(() => undefined);
  try {
    for (;;) {
      const next = await Promise.race([wanted.promise, stopped as Promise<never>]);
      if (next.done) return;
      yield next.value;
      wanted = promised();
      stream?.grant(1);
    }
  } finally {
    over.abort();
    // The handler's `finally` has run when the loop is left, as far as it waits for nothing from outside.
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/**
 * What became of each input of a batch, in their order, as a caller would get it.
 *
 * ```ts
 * assert.deepEqual(await batchModule(provider, "Lengths", [{ text: "a" }, { text: "bc" }]), [1, 2]);
 * ```
 *
 * @throws as {@link callModule}, for what fails as a whole.
 */
export async function batchModule<Output = unknown>(
  provider: Provider,
  name: string,
  inputs: readonly unknown[],
  call: TestCall = {},
): Promise<(Output | ModrackError)[]> {
  const module = find(provider, name);
  const requests = inputs.map((input) => requestOf(module, input, call));
  if (requests.length === 0) return [];
  return running(call, ({ resolve, reject }) => {
    const decode = (answer: Uint8Array | ModrackError): Output | ModrackError =>
      answer instanceof Uint8Array ? (module.output.decode(answer) as Output) : answer;
    const sink = sinkOf(reject, { answers: (_, answers) => resolve(answers.map(decode)) });
    return runnerOf(provider, call).batch(0, requests, sink);
  });
}

function find(provider: Provider, name: string): Module {
  const module = provider.modules.get(name);
  if (module !== undefined) return module;
  const message = `provider ${provider.namespace} has no module \`${name}\``;
  throw new ModrackError("registry.module.unknown", message, { category: "NOT_FOUND" });
}

function runnerOf(provider: Provider, { logger = stderrLogger, client }: TestCall): Runner {
  // Without a client of the test's own, nested calls go where those of a program go, and are not limited here.
  const nested = (_: Scope): Client => client ?? new Client();
  return new Runner(provider.modules, { logger, nested });
}

function requestOf(module: Module, input: unknown, call: TestCall): Request {
  const { executionId = "test", nodeId = "", attempt = 1, idempotencyKey = "", traceparent = "", timeoutMs = 0 } = call;
  const facts = { executionId, nodeId, attempt, idempotencyKey, traceparent, timeoutMs };
  return { module: module.name, input: readerOf(module.input.encode(input)), ...facts };
}

/** A sink that knows what one kind of call is answered with; everything else is a fault of this file. */
function sinkOf(reject: (error: unknown) => void, answers: Partial<Sink>): Sink {
  const never = (): never => {
    throw new Error("an answer of another kind of call");
  };
  return {
    answer: never,
    encoded: never,
    item: never,
    end: never,
    answers: never,
    fail: (_, e) => reject(e),
    ...answers,
  };
}

/** What a call comes to; it is cancelled when the time is over, the signal fires, or `reject` is called from outside. */
async function running<T>(
  { timeoutMs, signal }: TestCall,
  start: (promise: PromiseWithResolvers<T>) => Running | undefined,
): Promise<T> {
  const promise = promised<T>();
  const expire = (): void => {
    const facts = { category: "DEADLINE_EXCEEDED", retryable: true } as const;
    promise.reject(new ModrackError("executor.deadline.exceeded", "the deadline passed", facts));
  };
  const abort = (): void => promise.reject(gaveUp());
  const timer = timeoutMs ? setTimeout(expire, timeoutMs) : undefined;
  if (signal?.aborted) abort();
  else signal?.addEventListener("abort", abort, { once: true });
  const call = start(promise);
  try {
    return await promise.promise;
  } catch (error) {
    if (error instanceof ModrackError) call?.cancel(error);
    throw error;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
  }
}

function gaveUp(): ModrackError {
  return new ModrackError("client.call.cancelled", "the caller gave up", { category: "CANCELLED" });
}

/** `Promise.withResolvers`, which Node 20 lacks. */
interface PromiseWithResolvers<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (error: unknown) => void;
}

function promised<T>(): PromiseWithResolvers<T> {
  let resolve!: (value: T) => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<T>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  return { promise, resolve, reject };
}
