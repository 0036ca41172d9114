// What a `Client` does with pipelines: runs, checks and stores them. What it is told of them is read in `pipelines.ts`.
//
// The types of a pipeline come with its plan, which is asked for at its first run and kept. Inputs are encoded by them, and the
// host is told which plan that was: when it is no longer that one, nothing has run, and the plan is asked for once more.

import { called } from "../called.js";
import { ModrackError } from "../errors.js";
import type { HostClient } from "../generated/modrack/host/v1/host.js";
import type { RunPipelineStreamResponse } from "../generated/modrack/host/v1/pipeline.js";
import type { TypedModule } from "../typed_module.js";
import { errorFromRpc } from "../wire/errors.js";
import type { Asker } from "./asker.js";
import type { Ask } from "./channel.js";
import type { PutOptions, RunsOptions, WaitOptions } from "./options.js";
import type { PipelineCheck, PipelineRun, RunEvent, RunRecord, StoredPipeline } from "./pipelines.js";
import { checkFromWire, eventFromWire, recordFromWire, storedFromWire } from "./pipelines_wire.js";
import { type Pipeline, type Plan, Which } from "./which.js";

/** Milliseconds that a run takes at most where the caller says nothing. */
const RUN_TIMEOUT_MS = 300_000;

/** The half of a `Client` that has to do with pipelines. */
export abstract class PipelineClient {
  readonly #asker: Asker;

  /** @internal */
  constructor(asker: Asker) {
    this.#asker = asker;
  }

  /**
   * Runs a pipeline: the name of a stored one, a source text, `{ file }`, or the typed module of a stored one. A source is
   * checked at its first run, and its types are kept. A run takes 300 000 ms at most where `timeoutMs` is not given.
   *
   * ```ts
   * const { outputs } = await client.runPipeline({ file: "words.cst" }, { text: "to be" });
   * ```
   *
   * @typeParam Outputs what the caller knows the outputs to be; without a typed module it is not checked here.
   * @throws ModrackError: `pipeline.check.failed` with all diagnostics as text in `details.rendered`; what a node failed with, where
   * `details` name `run_id`, `node`, `module`, `line` and `column`. CodecError for inputs that do not fit. What `readFile` throws.
   */
  runPipeline<In, Out>(pipeline: TypedModule<In, Out>, inputs: In, options?: WaitOptions): Promise<PipelineRun<Out>>;
  runPipeline<Outputs = Record<string, unknown>>(
    pipeline: Pipeline,
    inputs?: unknown,
    options?: WaitOptions,
  ): Promise<PipelineRun<Outputs>>;
  async runPipeline(
    pipeline: Pipeline | TypedModule<never, unknown>,
    inputs: unknown = {},
    options: WaitOptions = {},
  ): Promise<PipelineRun> {
    const which = await Which.of(pipeline);
    const { channel } = this.#asker;
    return this.#asker.spanned(which.title, limited(options), (ask) =>
      this.#planned(which, ask, async (plan) => {
        const request = which.request(plan, inputs);
        const { outputs, record } = await channel.ask(() => channel.client.runPipeline(request, ask()));
        return () => {
          if (outputs.case !== "outputData") throw invalidAnswer("the host answered without outputs");
          const told = recordFromWire(record, plan.output.type);
          return { outputs: which.output(plan).decode(outputs.value), runId: told.runId, record: told };
        };
      }),
    );
  }

  /**
   * Runs a pipeline and tells what happens as it happens: `started`, then nodes, at the end `ended` with the outputs. When the run
   * fails, its `ended` is followed by the failure, thrown. Leaving the loop cancels the run. Otherwise as {@link runPipeline}.
   *
   * ```ts
   * for await (const event of client.streamPipeline("words", { text: "to be" }))
   *   if (event.kind === "nodeEnded") console.log(event.call.durationMs);
   * ```
   */
  streamPipeline<In, Out>(
    pipeline: TypedModule<In, Out>,
    inputs: In,
    options?: WaitOptions,
  ): AsyncGenerator<RunEvent<Out>, void, undefined>;
  streamPipeline<Outputs = Record<string, unknown>>(
    pipeline: Pipeline,
    inputs?: unknown,
    options?: WaitOptions,
  ): AsyncGenerator<RunEvent<Outputs>, void, undefined>;
  async *streamPipeline(
    pipeline: Pipeline | TypedModule<never, unknown>,
    inputs: unknown = {},
    options: WaitOptions = {},
  ): AsyncGenerator<RunEvent, void, undefined> {
    const which = await Which.of(pipeline);
    const { channel } = this.#asker;
    const span = await this.#asker.span(which.title);
    const ask = this.#asker.asking(limited(options), span);
    let close = async (): Promise<void> => undefined;
    try {
      // Nothing has run when the host says that the plan or the token is old, so the first message decides.
      const { plan, iterator, first } = await this.#planned(which, ask, async (plan) => {
        const run = which.request(plan, inputs);
        const begun = await channel.ask(async () => {
          const messages = channel.client.runPipelineStream({ run }, ask());
          const iterator = messages[Symbol.asyncIterator]() as AsyncIterator<RunPipelineStreamResponse, undefined>;
          close = async () => {
            await iterator.return?.();
            messages.cancel();
          };
          return { plan, iterator, first: await iterator.next() };
        });
        return () => begun;
      });
      for (let next = first; !next.done; next = await iterator.next()) {
        const event = eventFromWire(next.value, which.output(plan));
        if (event === undefined) continue;
        yield event;
        if (event.kind === "ended" && event.error !== undefined) throw event.error;
      }
    } catch (failure) {
      const error = called(errorFromRpc(failure));
      span?.end(error);
      throw error;
    } finally {
      await close();
      span?.end();
    }
  }

  /** Whether a source, or a file, checks against the registered modules, and what there is to say of it. */
  async checkPipeline(source: Pipeline, options: WaitOptions = {}): Promise<PipelineCheck> {
    const { source: text, file } = await Which.source(source);
    return checkFromWire(await this.#ask(options, (client, ask) => client.checkPipeline({ source: text, file }, ask)));
  }

  /** Stores a source, or a file, as the module `pipeline.NAME`, or replaces it; it must check. */
  async putPipeline(name: string, source: Pipeline, options: PutOptions = {}): Promise<StoredPipeline> {
    const { replaces = "", allowBreaking = false } = options;
    const request = { name, source: (await Which.source(source)).source, replaces, allowBreaking };
    return storedFromWire((await this.#ask(options, (client, ask) => client.putPipeline(request, ask))).pipeline);
  }

  /**
   * One stored pipeline with its source.
   *
   * @throws ModrackError with `pipeline.unknown`.
   */
  async getPipeline(name: string, options: WaitOptions = {}): Promise<StoredPipeline> {
    return storedFromWire((await this.#ask(options, (client, ask) => client.getPipeline({ name }, ask))).pipeline);
  }

  /** The stored pipelines in ascending order of their names, also those that check no longer; without their sources. */
  async listPipelines(options: WaitOptions = {}): Promise<StoredPipeline[]> {
    const pipelines: StoredPipeline[] = [];
    for (let pageToken = ""; ; ) {
      const page = await this.#ask(options, (client, ask) => client.listPipelines({ pageToken }, ask));
      pipelines.push(...page.pipelines.map(storedFromWire));
      pageToken = page.nextPageToken;
      if (pageToken === "") return pipelines;
    }
  }

  /** Removes a stored pipeline and its module. Runs that have begun go on. */
  async deletePipeline(name: string, options: WaitOptions = {}): Promise<void> {
    await this.#ask(options, (client, ask) => client.deletePipeline({ name }, ask));
  }

  /** The record of a run, also of one that failed or goes on; the host keeps those of late. */
  async getRun(runId: string, options: WaitOptions = {}): Promise<RunRecord> {
    return recordFromWire((await this.#ask(options, (client, ask) => client.getRun({ runId }, ask))).record);
  }

  /** The runs that the host has records of, latest first, without their nodes. */
  async listRuns(options: RunsOptions = {}): Promise<RunRecord[]> {
    const { pipeline = "", limit = 0 } = options;
    const { runs } = await this.#ask(options, (client, ask) => client.listRuns({ pipeline, limit }, ask));
    return runs.map((run) => recordFromWire(run));
  }

  async #ask<T>(options: WaitOptions, question: (client: HostClient, ask: Ask) => Promise<T>): Promise<T> {
    const { channel } = this.#asker;
    const ask = this.#asker.asking(options);
    return channel.ask(() => question(channel.client, ask()));
  }

  /** Does something with a pipeline whose plan is known; once more where that is an old one. `act` gives what reads its answer. */
  async #planned<T>(which: Which, ask: () => Ask, act: (plan: Plan) => Promise<() => T>): Promise<T> {
    const { channel } = this.#asker;
    const kept = channel.plans.get(which.key);
    let read: () => T;
    try {
      read = await act(kept ?? (await this.#fetch(which, ask)));
    } catch (error) {
      if (!which.mayRepeat(error, kept === undefined)) throw error;
      channel.plans.forget(which.key);
      read = await act(await this.#fetch(which, ask));
    }
    return read();
  }

  async #fetch(which: Which, ask: () => Ask): Promise<Plan> {
    const { channel } = this.#asker;
    const { source, name, file } = which;
    const plan =
      name === ""
        ? which.checked(await channel.ask(() => channel.client.checkPipeline({ source, file }, ask())))
        : which.found(await channel.ask(() => channel.client.getPipeline({ name }, ask())));
    return channel.plans.keep(which.key, plan);
  }
}

function limited(options: WaitOptions): WaitOptions {
  return { ...options, timeoutMs: options.timeoutMs ?? RUN_TIMEOUT_MS };
}

function invalidAnswer(why: string): ModrackError {
  return new ModrackError("client.answer.invalid", why, { category: "INTERNAL" });
}
