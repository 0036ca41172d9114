// Which pipeline a run is of, and what is known of its types. Sends nothing.

import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";

import { Codec } from "../codec/codec.js";
import { CodecError, ModrackError } from "../errors.js";
import type * as wire from "../generated/modrack/host/v1/pipeline.js";
import type { TypedModule } from "../typed_module.js";
import { typeFromWire } from "../wire/types.js";
import { diagnosticFromWire } from "./pipelines_wire.js";

/** The path of a `.cst` file. */
export interface PipelineFile {
  readonly file: string | URL;
}

/** The name of a stored pipeline or a source text, or the file of a source. */
export type Pipeline = string | PipelineFile;

/** A text that is an identifier is a name: no source is one. */
const NAME = /^[A-Za-z_][A-Za-z0-9_-]*$/;
const NAMESPACE = "pipeline.";
const MOST_PLANS = 256;

/** What is known of a pipeline: the hash of its plan and its types. */
export interface Plan {
  readonly hash: string;
  readonly fingerprint: string;
  readonly input: Codec;
  readonly output: Codec;
}

/** Kept plans; of more than 256 the least recently used is dropped. */
export class Plans {
  readonly #kept = new Map<string, Plan>();

  get(key: string): Plan | undefined {
    const plan = this.#kept.get(key);
    if (plan !== undefined) {
      this.#kept.delete(key);
      this.#kept.set(key, plan);
    }
    return plan;
  }

  keep(key: string, { hash, schemaFingerprint, input, output }: wire.PipelinePlan): Plan {
    const plan = {
      hash,
      fingerprint: schemaFingerprint,
      input: new Codec(typeFromWire(input)),
      output: new Codec(typeFromWire(output)),
    };
    this.#kept.set(key, plan);
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= MOST_PLANS) break;
      this.#kept.delete(oldest);
    }
    return plan;
  }

  forget(key: string): void {
    this.#kept.delete(key);
  }
}

/** The pipeline that a run is of. */
export class Which {
  private constructor(
    readonly source: string,
    readonly name: string,
    readonly file: string,
    readonly typed?: TypedModule<never, unknown>,
  ) {}

  /** @throws what `readFile` throws, for a file that cannot be read. */
  static async of(pipeline: Pipeline | TypedModule<never, unknown>): Promise<Which> {
    if (typeof pipeline === "string") return NAME.test(pipeline) ? new Which("", pipeline, "") : Which.source(pipeline);
    if ("file" in pipeline) return Which.source(pipeline);
    const { name } = pipeline;
    return new Which("", name.startsWith(NAMESPACE) ? name.slice(NAMESPACE.length) : name, "", pipeline);
  }

  /** As {@link of}, where nothing else than a source can be meant. */
  static async source(source: Pipeline): Promise<Which> {
    if (typeof source === "string") return new Which(source, "", "");
    const path = typeof source.file === "string" ? source.file : fileURLToPath(source.file);
    return new Which(await readFile(path, "utf8"), "", basename(path));
  }

  /** What its plan is kept by. */
  get key(): string {
    return this.name || this.source;
  }

  /** What its span is called. */
  get title(): string {
    return this.name === "" ? this.file || "pipeline.cst" : NAMESPACE + this.name;
  }

  /**
   * What asks for a run.
   *
   * @throws CodecError for inputs that do not fit; `registry.schema.changed` where a typed pipeline has other types by now.
   */
  request(plan: Plan, inputs: unknown) {
    if (this.typed !== undefined && this.typed.fingerprint !== plan.fingerprint) {
      const why = `pipeline \`${this.name}\` has other types than this caller was written for`;
      const details = { module: this.typed.name };
      throw new ModrackError("registry.schema.changed", why, { category: "FAILED_PRECONDITION", details });
    }
    const input = this.typed?.input ?? plan.input;
    return {
      pipeline:
        this.name === ""
          ? { case: "source" as const, value: this.source }
          : { case: "name" as const, value: this.name },
      inputs: { case: "inputData" as const, value: input.encode(inputs) },
      planHash: plan.hash,
      file: this.file,
    };
  }

  /** What reads the outputs. */
  output(plan: Plan): Codec {
    return this.typed?.output ?? plan.output;
  }

  /** Whether an old plan is why a run did not begin: the host says so, or the inputs do not fit its types. */
  mayRepeat(error: unknown, isFresh: boolean): boolean {
    if (!(error instanceof ModrackError)) return false;
    if (error.code === "pipeline.plan.changed") return true;
    return !isFresh && (error instanceof CodecError || error.code === "registry.schema.changed");
  }

  /**
   * The plan of a source.
   *
   * @throws ModrackError with `pipeline.check.failed`: the first error, how many there are, and the text of all.
   */
  checked(answer: wire.CheckPipelineResponse): wire.PipelinePlan {
    if (answer.plan !== undefined) return answer.plan;
    const errors = answer.diagnostics.map(diagnosticFromWire).filter(({ severity }) => severity === "error");
    const [first] = errors;
    if (first === undefined) {
      throw new ModrackError("client.answer.invalid", "the host answered with neither a plan nor an error");
    }
    const { code, message, place } = first;
    const more = errors.length > 1 ? `, and ${errors.length - 1} more` : "";
    const where = `${this.file || "pipeline.cst"}:${place.line}:${place.column}`;
    throw new ModrackError(
      "pipeline.check.failed",
      `the pipeline does not check: ${code} ${message} at ${where}${more}`,
      {
        category: "INVALID_ARGUMENT",
        details: {
          count: String(errors.length),
          code,
          line: String(place.line),
          column: String(place.column),
          rendered: answer.rendered,
        },
      },
    );
  }

  /**
   * The plan of a stored pipeline.
   *
   * @throws ModrackError with `pipeline.unknown` when it has never checked.
   */
  found({ pipeline }: wire.GetPipelineResponse): wire.PipelinePlan {
    if (pipeline?.plan !== undefined) return pipeline.plan;
    throw new ModrackError("pipeline.unknown", `pipeline \`${this.name}\` has no plan`, { category: "NOT_FOUND" });
  }
}
