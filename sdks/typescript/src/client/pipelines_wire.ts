// What hosts say of pipelines and runs, from messages to values. Asks nothing itself.

import { type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt";

import { Codec } from "../codec/codec.js";
import { type CType, formatType } from "../codec/ctype.js";
import type { JsonValue } from "../codec/json.js";
import { ModrackError } from "../errors.js";
import * as wire from "../generated/modrack/host/v1/pipeline.js";
import { DataPlane } from "../generated/modrack/provider/v1/registry.js";
import { errorFromWire } from "../wire/errors.js";
import { typeFromWire } from "../wire/types.js";
import type {
  CallRecord,
  Diagnostic,
  NodeRecord,
  PipelineCheck,
  PipelineNode,
  PipelinePlan,
  Place,
  RunEvent,
  RunRecord,
  StoredPipeline,
} from "./pipelines.js";

/** The plan of a message. */
export function planFromWire(plan: wire.PipelinePlan): PipelinePlan {
  const input = new Codec(typeFromWire(plan.input));
  return {
    hash: plan.hash,
    input: input.text,
    output: formatType(typeFromWire(plan.output)),
    fingerprint: plan.schemaFingerprint,
    modules: plan.modules,
    graph: plan.graphJson === "" ? undefined : (JSON.parse(plan.graphJson) as JsonValue),
    examples: plan.examplesJson.map((example) => input.parse(example)),
  };
}

/** What was said of a source. */
export function checkFromWire({ diagnostics, rendered, plan }: wire.CheckPipelineResponse): PipelineCheck {
  return { diagnostics: diagnostics.map(diagnosticFromWire), rendered, plan: plan && planFromWire(plan) };
}

/** A stored pipeline. */
export function storedFromWire(stored: wire.StoredPipeline | undefined): StoredPipeline {
  if (stored === undefined) throw invalid("the host answered without a pipeline");
  const { name, source, plan, diagnostics, callable, storedAt, description } = stored;
  return {
    name,
    source,
    plan: plan && planFromWire(plan),
    diagnostics: diagnostics.map(diagnosticFromWire),
    callable,
    storedAt: dateOf(storedAt),
    description,
  };
}

/** One thing said about a source. */
export function diagnosticFromWire(diagnostic: wire.Diagnostic): Diagnostic {
  return {
    code: diagnostic.code,
    severity: diagnostic.severity === wire.DiagnosticSeverity.WARNING ? "warning" : "error",
    message: diagnostic.message,
    place: placeOf(diagnostic.span),
    label: diagnostic.label,
    related: diagnostic.related.map(({ span, message }) => ({ place: placeOf(span), message })),
    help: diagnostic.help,
  };
}

/** What happened in a run; `undefined` for what only a newer host knows. */
export function eventFromWire(message: wire.RunPipelineStreamResponse, output: Codec): RunEvent | undefined {
  const { event } = message;
  switch (event.case) {
    case "started": {
      const { runId, pipeline, plan, nodes } = event.value;
      return { kind: "started", runId, pipeline, planHash: plan?.hash ?? "", nodes: nodes.map(nodeOf) };
    }
    case "nodeStarted": {
      const { node, call, bytesIn, atUs } = event.value;
      return { kind: "nodeStarted", node, call: Number(call), bytesIn: Number(bytesIn), atMs: ms(atUs) };
    }
    case "nodeEnded":
      return { kind: "nodeEnded", node: event.value.node, call: callOf(required(event.value.call)) };
    case "ended": {
      const { outputs } = event.value;
      const record = recordFromWire(event.value.record, output.type);
      if (outputs.case === "outputData") return { kind: "ended", record, outputs: output.decode(outputs.value) };
      return { kind: "ended", record, error: errorFromWire(outputs.case === "error" ? outputs.value : undefined) };
    }
    default:
      return undefined;
  }
}

/** The record of a run; partial outputs as their bytes alone tell, where the type of the outputs is not known. */
export function recordFromWire(record: wire.RunRecord | undefined, output?: CType): RunRecord {
  const told = required(record);
  return {
    runId: told.runId,
    pipeline: told.pipeline,
    planHash: told.planHash,
    startedAt: dateOf(told.startedAt),
    durationMs: ms(told.durationUs),
    outcome: wordOf(wire.RunOutcome[told.outcome]),
    error: told.error && errorFromWire(told.error),
    nodes: told.nodes.map(nodeRecordOf),
    partialOutputs: new Map(told.partialOutputs.map((partial) => [partial.name, partialOf(partial, output)])),
  };
}

function partialOf({ name, value }: wire.PartialOutput, output: CType | undefined): unknown {
  if (value.case !== "data") return JSON.parse(value.value ?? "null") as unknown;
  const field = output?.kind === "record" ? output.fields.find((each) => each.name === name) : undefined;
  return new Codec(field?.type ?? { kind: "any" }).decode(value.value);
}

function nodeRecordOf(record: wire.NodeRecord): NodeRecord {
  return {
    node: nodeOf(required(record.node)),
    calls: Number(record.calls),
    failed: Number(record.failed),
    cached: Number(record.cached),
    attempts: Number(record.attempts),
    bytesIn: Number(record.bytesIn),
    bytesOut: Number(record.bytesOut),
    busyMs: ms(record.busyUs),
    recorded: record.recorded.map(callOf),
  };
}

function nodeOf({ node, label, module, span, language, repeated }: wire.PipelineNode): PipelineNode {
  return { node, label, module, place: placeOf(span), language, repeated };
}

function callOf(call: wire.CallRecord): CallRecord {
  return {
    call: Number(call.call),
    startedMs: ms(call.startedUs),
    durationMs: ms(call.durationUs),
    queuedMs: ms(call.queuedUs),
    bytesIn: Number(call.bytesIn),
    bytesOut: Number(call.bytesOut),
    revision: call.revision,
    cached: call.cached,
    outcome: wordOf(wire.CallOutcome[call.outcome]),
    error: call.error && errorFromWire(call.error),
    attempts: call.attempts.map(({ sessionId, plane, startedUs, durationUs, code }) => ({
      sessionId,
      plane: wordOf(DataPlane[plane]),
      startedMs: ms(startedUs),
      durationMs: ms(durationUs),
      code,
    })),
  };
}

function placeOf(span: wire.SourceSpan | undefined): Place {
  return { start: span?.start ?? 0, end: span?.end ?? 0, line: span?.line ?? 1, column: span?.column ?? 1 };
}

function dateOf(timestamp: Timestamp | undefined): Date {
  return timestamp === undefined ? new Date(0) : timestampDate(timestamp);
}

function ms(us: bigint): number {
  return Number(us) / 1000;
}

function wordOf(name: string | undefined): string {
  return (name ?? "unspecified").toLowerCase();
}

function required<T>(part: T | undefined): T {
  if (part !== undefined) return part;
  throw invalid("the host left out what it has to tell");
}

function invalid(why: string): ModrackError {
  return new ModrackError("client.answer.invalid", why, { category: "INTERNAL" });
}
