// Runs calls: a request becomes the handler's output, its items, or one error. Knows no connection; the planes use it.

import { cameFromCall } from "../called.js";
import { Context, type Surroundings } from "../context.js";
import { type Category, ModrackError, ModuleError } from "../errors.js";
import { isDebug, type Logger } from "../logger.js";
import { type BatchModule, type CallModule, isThenable, type Module, outputFault } from "../module.js";
import type { CallId } from "../wire/frames_in.js";
import type { Request } from "../wire/request.js";
import { BatchRun } from "./batch_run.js";
import type { Running, Sink, Starter } from "./sink.js";
import { StreamRun } from "./stream_run.js";

/** What {@link Module} itself throws; the same codes from a client inside a handler are that handler's failure. */
const OWN: ReadonlySet<string> = new Set([
  "executor.input.invalid",
  "executor.output.invalid",
  "module.batch_mismatch",
  "module.input_refused",
  "module.output_too_large",
]);

/** Starts the calls of one provider. `modules` is looked into at each call, so that it may change. */
export class Runner implements Starter {
  constructor(
    readonly modules: ReadonlyMap<string, Module>,
    readonly around: Surroundings,
  ) {}

  call(id: CallId, request: Request, sink: Sink): Running | undefined {
    const module = this.modules.get(request.module);
    if (module === undefined || module.kind !== "call") {
      if (module?.kind === "batch") return this.#batch(module, [request], (answers) => alone(id, answers, sink));
      return refuse(id, sink, module === undefined ? unknown(request.module) : needsStream(module));
    }
    const context = new Context(request, this.around);
    let output: unknown;
    try {
      output = module.run(request.input, context);
      if (isThenable(output)) return new Pending(this, id, module, context, output, sink);
      sink.answer(id, module, output);
    } catch (error) {
      sink.fail(id, this.tell(module, error));
    }
    return undefined;
  }

  stream(id: CallId, request: Request, credit: number, sink: Sink): Running | undefined {
    const module = this.modules.get(request.module);
    if (module === undefined) return refuse(id, sink, unknown(request.module));
    if (module.kind !== "stream") return refuse(id, sink, noStream(module));
    const context = new Context(request, this.around);
    const run = new StreamRun(module, id, sink, context, (error) => this.tell(module, error), credit);
    try {
      void run.run(module.open(request.input, context));
      return run.isOver ? undefined : run;
    } catch (error) {
      return refuse(id, sink, this.tell(module, error));
    }
  }

  batch(id: CallId, requests: readonly Request[], sink: Sink): Running | undefined {
    const name = requests[0]?.module ?? "";
    const module = this.modules.get(name);
    if (module === undefined) return refuse(id, sink, unknown(name));
    if (module.kind !== "batch") return refuse(id, sink, noBatch(module));
    return this.#batch(module, requests, (answers) => {
      try {
        if (answers instanceof ModrackError) sink.fail(id, answers);
        else sink.answers(id, answers);
      } catch (error) {
        sink.fail(id, this.tell(module, error));
      }
    });
  }

  /**
   * What the caller learns of what a handler threw: a `ModuleError` as it is, of anything else its type and text. Of a nested
   * call that failed, also its code and category as details; where it ran out of time or was cancelled, the call has that
   * code of the host's. The stack goes to the local log, and into the details only where `MODRACK_DEBUG=1`.
   */
  tell(module: Module, thrown: unknown): ModrackError {
    return envelope(outputFault(module, thrown), module, this.around.logger);
  }

  #batch(
    module: BatchModule,
    requests: readonly Request[],
    answer: (answers: readonly (Uint8Array | ModrackError)[] | ModrackError) => void,
  ): Running {
    const run = new BatchRun(module, requests, this.around, (error) => this.tell(module, error));
    void run.run().then((answers) => answers !== undefined && answer(answers));
    return run;
  }
}

class Pending implements Running {
  readonly #context: Context;
  #over = false;

  constructor(
    runner: Runner,
    id: CallId,
    module: CallModule,
    context: Context,
    output: PromiseLike<unknown>,
    sink: Sink,
  ) {
    this.#context = context;
    const fail = (error: unknown): void => {
      if (!this.#over) sink.fail(id, runner.tell(module, error));
    };
    const answer = (value: unknown): void => {
      if (this.#over) return;
      try {
        sink.answer(id, module, value);
      } catch (error) {
        fail(error);
      }
    };
    output.then(answer, fail);
  }

  cancel(reason: ModrackError): void {
    this.#over = true;
    this.#context.cancel(reason);
  }

  grant(): void {
    // A call has no items.
  }
}

/** The codes by which the host ends a call, by the categories that it ends it with. */
const ENDINGS: ReadonlyMap<Category, string> = new Map([
  ["DEADLINE_EXCEEDED", "executor.deadline.exceeded"],
  ["CANCELLED", "executor.call.cancelled"],
]);

/** As {@link Runner.tell}, for what is no fault of the output. */
function envelope(error: unknown, module: Module, logger: Logger): ModrackError {
  if (error instanceof ModuleError) return error;
  const nested = error instanceof ModrackError && cameFromCall(error) ? error : undefined;
  const ending = nested && ENDINGS.get(nested.category);
  if (nested !== undefined && ending !== undefined) {
    logger.warn(`${module.name}: ${nested.message} [${nested.code}]`);
    return ended(nested, ending);
  }
  if (nested === undefined && error instanceof ModrackError && OWN.has(error.code)) {
    logger.warn(`${module.name}: ${error.message} [${error.code}]`);
    return error;
  }
  const stack = error instanceof Error && error.stack ? error.stack : String(error);
  logger.error(`${module.name} failed: ${stack}`);
  return new ModrackError("module.failed", told(error), {
    category: "UPSTREAM_ERROR",
    origin: "module",
    details: { ...(nested && nestedDetails(nested)), ...(isDebug() && { stack }) },
  });
}

/** As the host ends this very call, whose time is over at the same moment: the caller hears the same of either. */
function ended(nested: ModrackError, code: string): ModrackError {
  const { category } = nested;
  const retryable = category === "DEADLINE_EXCEEDED";
  return new ModrackError(code, told(nested), { category, retryable, details: nestedDetails(nested) });
}

function nestedDetails({ code, category }: ModrackError): Record<string, string> {
  return { nested_code: code, nested_category: category };
}

function told(error: unknown): string {
  if (!(error instanceof Error)) return `threw ${typeof error === "string" ? error : typeof error}`;
  return error.message === "" ? error.name : `${error.name}: ${error.message}`;
}

/** A plain call of a module that takes several inputs is a batch of one. */
function alone(id: CallId, answers: readonly (Uint8Array | ModrackError)[] | ModrackError, sink: Sink): void {
  const [answer] = answers instanceof ModrackError ? [answers] : answers;
  if (answer instanceof Uint8Array) sink.encoded(id, answer);
  else sink.fail(id, answer as ModrackError);
}

function refuse(id: CallId, sink: Sink, error: ModrackError): undefined {
  sink.fail(id, error);
  return undefined;
}

function unknown(name: string): ModrackError {
  const message = `this provider has no module \`${name}\``;
  return new ModrackError("registry.module.unknown", message, { category: "NOT_FOUND" });
}

function needsStream({ name }: Module): ModrackError {
  const message = `\`${name}\` streams its output; call it as a stream`;
  return new ModrackError("executor.stream.required", message, { category: "UNSUPPORTED" });
}

function noStream({ name }: Module): ModrackError {
  return new ModrackError("executor.stream.unsupported", `\`${name}\` does not stream`, { category: "UNSUPPORTED" });
}

function noBatch({ name }: Module): ModrackError {
  return new ModrackError("executor.batch.unsupported", `\`${name}\` takes no batches`, { category: "UNSUPPORTED" });
}
