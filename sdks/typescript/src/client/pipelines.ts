// What clients are told of pipelines and runs. Types only: `pipelines_wire.ts` reads them from messages.

import type { JsonValue } from "../codec/json.js";
import type { ModrackError } from "../errors.js";

/** A range of a source. */
export interface Place {
  /** Offset of the first byte. */
  readonly start: number;
  /** Offset behind the last byte. */
  readonly end: number;
  /** Line of the start, from 1. */
  readonly line: number;
  /** Column of the start in characters, from 1. */
  readonly column: number;
}

/** One thing said about a source. */
export interface Diagnostic {
  /** Stable, e.g. `E002`. */
  readonly code: string;
  readonly severity: "error" | "warning";
  readonly message: string;
  readonly place: Place;
  /** What is at that place; may be empty. */
  readonly label: string;
  /** Other places that explain it. */
  readonly related: readonly { readonly place: Place; readonly message: string }[];
  /** What to do, a line each. */
  readonly help: readonly string[];
}

/** What a source means. */
export interface PipelinePlan {
  /** Equal for equal sources against equal modules on every host. */
  readonly hash: string;
  /** Type of the inputs as text: a record in declared order. */
  readonly input: string;
  /** Type of the outputs as text: a record in declared order. */
  readonly output: string;
  /** SHA-256 of both types, in hex. */
  readonly fingerprint: string;
  /** The modules that it may call, in ascending order. */
  readonly modules: readonly string[];
  /** The plan as a picture needs it (`docs/pipelines.md`); absent in listings. */
  readonly graph: JsonValue | undefined;
  /** Inputs made of the `@example`s; empty unless each required input has one. */
  readonly examples: readonly unknown[];
}

/** What there is to say of a source. */
export interface PipelineCheck {
  readonly diagnostics: readonly Diagnostic[];
  /** The diagnostics as text; empty when there are none. */
  readonly rendered: string;
  /** Absent when a diagnostic is an error. */
  readonly plan: PipelinePlan | undefined;
}

/** A pipeline that the host keeps. */
export interface StoredPipeline {
  readonly name: string;
  /** Empty in listings. */
  readonly source: string;
  /** The plan that runs; while `diagnostics` has errors, the last one that checked, if any. */
  readonly plan: PipelinePlan | undefined;
  /** Has errors when it checks no longer against the modules that are registered now. */
  readonly diagnostics: readonly Diagnostic[];
  /** Whether it checks, so that `pipeline.NAME` can be called. */
  readonly callable: boolean;
  readonly storedAt: Date;
  /** The comment lines at the head of the source. */
  readonly description: string;
}

/** A place of a pipeline where a module is called. */
export interface PipelineNode {
  /** Names the node in the plan, from 0. */
  readonly node: number;
  /** The binding whose value it gives, else the module's name. */
  readonly label: string;
  readonly module: string;
  readonly place: Place;
  /** Of the module's provider; empty where not known. */
  readonly language: string;
  /** Whether it stands in a lambda, and may be called many times. */
  readonly repeated: boolean;
}

/** What happened to one attempt of a call. */
export interface Attempt {
  /** Who was called; empty when nobody was reached. */
  readonly sessionId: string;
  readonly plane: string;
  /** Since the run began. */
  readonly startedMs: number;
  readonly durationMs: number;
  /** Of its failure; empty when it succeeded. */
  readonly code: string;
}

/** What happened to one call. */
export interface CallRecord {
  /** Counts the calls of the run, from 0. */
  readonly call: number;
  /** When its input was there, since the run began. */
  readonly startedMs: number;
  /** Waiting included. */
  readonly durationMs: number;
  /** Of that, waiting for its turn. */
  readonly queuedMs: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Which revision answered; 0 when none did. */
  readonly revision: bigint;
  /** Whether the output came from the cache, or from an equal call in flight. */
  readonly cached: boolean;
  /** `succeeded`, `failed` or `cancelled`. */
  readonly outcome: string;
  readonly error: ModrackError | undefined;
  /** In order; none when the output was cached. */
  readonly attempts: readonly Attempt[];
}

/** What happened at one node. */
export interface NodeRecord {
  readonly node: PipelineNode;
  /** How many calls began; 0 where it was not needed. */
  readonly calls: number;
  readonly failed: number;
  readonly cached: number;
  readonly attempts: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Of all calls together. */
  readonly busyMs: number;
  /** The first calls, one by one. */
  readonly recorded: readonly CallRecord[];
}

/** What happened in a run. */
export interface RunRecord {
  readonly runId: string;
  /** The stored pipeline; empty for a source. */
  readonly pipeline: string;
  readonly planHash: string;
  readonly startedAt: Date;
  readonly durationMs: number;
  /** `running`, `succeeded`, `failed` or `cancelled`. */
  readonly outcome: string;
  readonly error: ModrackError | undefined;
  /** Per place where a module is called. Empty in listings. */
  readonly nodes: readonly NodeRecord[];
  /** Outputs that were there when the run failed, by name. Empty in listings. */
  readonly partialOutputs: ReadonlyMap<string, unknown>;
}

/** What a run gave. */
export interface PipelineRun<out Outputs = unknown> {
  readonly outputs: Outputs;
  /** Names the run in logs, traces and `getRun`. */
  readonly runId: string;
  readonly record: RunRecord;
}

/** What happens in a run: first `started`, last `ended`. */
export type RunEvent<Outputs = unknown> =
  | {
      readonly kind: "started";
      readonly runId: string;
      readonly pipeline: string;
      readonly planHash: string;
      readonly nodes: readonly PipelineNode[];
    }
  | {
      readonly kind: "nodeStarted";
      readonly node: number;
      readonly call: number;
      readonly bytesIn: number;
      /** Since the run began. */
      readonly atMs: number;
    }
  | { readonly kind: "nodeEnded"; readonly node: number; readonly call: CallRecord }
  | { readonly kind: "ended"; readonly record: RunRecord; readonly outputs: Outputs; readonly error?: undefined }
  | { readonly kind: "ended"; readonly record: RunRecord; readonly outputs?: undefined; readonly error: ModrackError };
