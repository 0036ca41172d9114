// Runs calls: a request becomes the handler's output or one error. Knows no connection; the planes use it.

import { Context } from "../context.js";
import { ModrackError, ModuleError } from "../errors.js";
import type { ExecuteRequest } from "../generated/modrack/provider/v1/execution.js";
import { isDebug, type Logger } from "../logger.js";
import type { Module } from "../module.js";

/** Takes the output or the error of a call; called at most once. */
export type Answer = (result: Uint8Array | ModrackError) => void;

/** What {@link Module} itself throws; the same codes from a client inside a handler are that handler's failure. */
const OWN: ReadonlySet<string> = new Set(["executor.input.invalid", "executor.output.invalid", "module.input_refused"]);

/** A call that is not answered yet. */
export interface Running {
  /** Fires the handler's signal. Nothing is answered any more. */
  cancel(reason: ModrackError): void;
}

/** Starts the calls of one provider. `modules` is looked into at each call, so that it may change. */
export class Runner {
  constructor(
    readonly modules: ReadonlyMap<string, Module>,
    readonly logger: Logger,
  ) {}

  /** Starts a call; `undefined` when it is answered already. */
  start(request: ExecuteRequest, answer: Answer): Running | undefined {
    const module = this.modules.get(request.moduleName);
    if (module === undefined) {
      const message = `this provider has no module \`${request.moduleName}\``;
      answer(new ModrackError("registry.module.unknown", message, { category: "NOT_FOUND" }));
      return undefined;
    }
    const context = new Context({ ...request, module: module.name }, this.logger);
    let output: Uint8Array | Promise<Uint8Array>;
    try {
      output = module.run(request.inputData, context);
    } catch (error) {
      answer(envelope(error, module, this.logger));
      return undefined;
    }
    if (!(output instanceof Promise)) {
      answer(output);
      return undefined;
    }
    return new Pending(context, module, output, answer, this.logger);
  }
}

class Pending implements Running {
  #answer: Answer | undefined;

  constructor(
    readonly context: Context,
    module: Module,
    output: Promise<Uint8Array>,
    answer: Answer,
    logger: Logger,
  ) {
    this.#answer = answer;
    output.then(
      (bytes) => this.#answer?.(bytes),
      (error: unknown) => this.#answer?.(envelope(error, module, logger)),
    );
  }

  cancel(reason: ModrackError): void {
    this.#answer = undefined;
    this.context.cancel(reason);
  }
}

/**
 * What the caller learns of what a handler threw: a `ModuleError` as it is, of anything else its type and text. The stack
 * goes to the local log, and into the details only where `MODRACK_DEBUG=1`.
 */
export function envelope(error: unknown, module: Module, logger: Logger): ModrackError {
  if (error instanceof ModuleError) return error;
  if (error instanceof ModrackError && OWN.has(error.code)) {
    logger.warn(`${module.name}: ${error.message} [${error.code}]`);
    return error;
  }
  const stack = error instanceof Error && error.stack ? error.stack : String(error);
  logger.error(`${module.name} failed: ${stack}`);
  return new ModrackError("module.failed", tell(error), {
    category: "UPSTREAM_ERROR",
    origin: "module",
    ...(isDebug() ? { details: { stack } } : {}),
  });
}

function tell(error: unknown): string {
  if (!(error instanceof Error)) return `threw ${typeof error === "string" ? error : typeof error}`;
  return error.message === "" ? error.name : `${error.name}: ${error.message}`;
}
