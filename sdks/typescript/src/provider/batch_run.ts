// One running batch: reads its inputs, runs the author's function on those that fit, and gives each its own answer.
// Sends nothing itself.

import { BatchContext, type Surroundings } from "../context.js";
import type { ModrackError } from "../errors.js";
import { type BatchModule, outputFault } from "../module.js";
import type { Request } from "../wire/request.js";
import type { Running } from "./sink.js";
import type { Tell } from "./stream_run.js";

/** What became of one input. */
type Answered = Uint8Array | ModrackError;

/** An input that cannot be read. */
class Unreadable {
  constructor(readonly error: unknown) {}
}

/** A batch that is not answered yet. */
export class BatchRun implements Running {
  readonly #module: BatchModule;
  readonly #requests: readonly Request[];
  readonly #around: Surroundings;
  readonly #tell: Tell;
  readonly #inputs: readonly unknown[];
  #context: BatchContext | undefined;
  #cancelled: ModrackError | undefined;

  /** Reads the inputs now. There is at least one request, and all are of one call. */
  constructor(module: BatchModule, requests: readonly Request[], around: Surroundings, tell: Tell) {
    this.#module = module;
    this.#requests = requests;
    this.#around = around;
    this.#tell = tell;
    this.#inputs = requests.map(({ input }) => {
      try {
        return module.read(input);
      } catch (error) {
        return new Unreadable(error);
      }
    });
  }

  cancel(reason: ModrackError): void {
    this.#cancelled = reason;
    this.#context?.cancel(reason);
  }

  grant(): void {
    // A batch has no items.
  }

  /** Runs the handler: one answer per request, one failure of them all, or nothing once it is cancelled. Never rejects. */
  async run(): Promise<readonly Answered[] | ModrackError | undefined> {
    try {
      const answers = await this.#answers();
      return this.#cancelled === undefined ? answers : undefined;
    } catch (error) {
      return this.#cancelled === undefined ? this.#tell(error) : undefined;
    }
  }

  async #answers(): Promise<readonly Answered[]> {
    const inputs = await Promise.all(this.#inputs.map(settled));
    const fit = inputs.flatMap((input, i) => (input instanceof Unreadable ? [] : [i]));
    const outputs = await this.#outputs(
      fit.map((i) => inputs[i]),
      fit.map((i) => this.#requests[i]?.idempotencyKey ?? ""),
    );
    const answers = new Map(fit.map((i, n) => [i, outputs[n]]));
    return inputs.map((input, i) => answers.get(i) ?? this.#tell((input as Unreadable).error));
  }

  async #outputs(inputs: unknown[], keys: readonly string[]): Promise<Answered[]> {
    if (inputs.length === 0 || this.#cancelled !== undefined) return [];
    const [first] = this.#requests as [Request];
    this.#context = new BatchContext(first, this.#around, keys);
    const outputs = await this.#module.run(inputs, this.#context);
    return Promise.all(outputs.map((output) => this.#encoded(output)));
  }

  async #encoded(output: unknown): Promise<Answered> {
    try {
      if (output instanceof Error) throw output;
      return this.#module.output.encode(await this.#module.check(output));
    } catch (error) {
      return this.#tell(outputFault(this.#module, error));
    }
  }
}

async function settled(input: unknown): Promise<unknown> {
  try {
    return await input;
  } catch (error) {
    return new Unreadable(error);
  }
}
