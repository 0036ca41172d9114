// Calls the modules of a provider through the codec, in memory. Needs no host and opens no connection.

import { Context } from "./context.js";
import { ModrackError } from "./errors.js";
import { type Logger, stderrLogger } from "./logger.js";
import type { Provider } from "./provider/provider.js";
import { envelope } from "./provider/runner.js";

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
  /** Milliseconds that the handler is told to have. When they are over its signal fires and the call fails. Default: none. */
  timeoutMs?: number;
  /** Cancels the call when it fires, as a caller who gives up. */
  signal?: AbortSignal;
  /** Default: lines on stderr. */
  logger?: Logger;
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
  const module = provider.modules.get(name);
  if (module === undefined) {
    const message = `provider ${provider.namespace} has no module \`${name}\``;
    throw new ModrackError("registry.module.unknown", message, { category: "NOT_FOUND" });
  }
  const { logger = stderrLogger, signal, executionId = "test", ...facts } = call;
  const context = new Context({ ...facts, executionId, module: name }, logger);
  const bytes = module.input.encode(input);
  const stopped = stopOn(context, call.timeoutMs, signal);
  try {
    // A handler may throw before it returns a promise.
    const running = Promise.resolve().then(() => module.run(bytes, context));
    const output = await Promise.race([running, stopped.failure]);
    return module.output.decode(output) as Output;
  } catch (error) {
    if (error instanceof Stopped) throw error.error;
    throw envelope(error, module, logger);
  } finally {
    stopped.release();
  }
}

/** The caller stopped waiting. */
class Stopped extends Error {
  constructor(readonly error: ModrackError) {
    super(error.message);
  }
}

function stopOn(
  context: Context,
  timeoutMs: number | undefined,
  signal: AbortSignal | undefined,
): { failure: Promise<never>; release: () => void } {
  let release = (): void => undefined;
  const failure = new Promise<never>((_, reject) => {
    const stop = (error: ModrackError): void => {
      context.cancel(error);
      reject(new Stopped(error));
    };
    const abort = (): void =>
      stop(new ModrackError("client.call.cancelled", "the caller gave up", { category: "CANCELLED" }));
    const expire = (): void => {
      const facts = { category: "DEADLINE_EXCEEDED", retryable: true } as const;
      stop(new ModrackError("executor.deadline.exceeded", "the deadline passed", facts));
    };
    const timer = timeoutMs ? setTimeout(expire, timeoutMs) : undefined;
    if (signal?.aborted) abort();
    else signal?.addEventListener("abort", abort, { once: true });
    release = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
    };
  });
  return { failure, release };
}
