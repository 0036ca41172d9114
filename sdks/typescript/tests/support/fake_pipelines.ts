// The pipelines of a host that runs none: each is a function, known by its name or by its source.

import { createHash } from "node:crypto";

import type { MessageInitShape } from "@bufbuild/protobuf";
import type * as grpc from "@grpc/grpc-js";

import { ModrackError } from "../../src/errors.js";
import type { HostHandlers } from "../../src/generated/modrack/host/v1/host.js";
import {
  CallOutcome,
  type CallRecordSchema,
  DiagnosticSeverity,
  type PipelinePlanSchema,
  RunOutcome,
  type RunPipelineRequest,
  type RunRecordSchema,
  type StoredPipelineSchema,
} from "../../src/generated/modrack/host/v1/pipeline.js";
import { DataPlane } from "../../src/generated/modrack/provider/v1/registry.js";
import { Codec, parseType } from "../../src/index.js";
import { errorToWire } from "../../src/wire/errors.js";
import { typeToWire } from "../../src/wire/types.js";
import { statusOf } from "./fake_host.js";

const SPAN = { start: 20, end: 31, line: 2, column: 5 };
const NODE = { node: 0, label: "shouted", module: "text.Uppercase", span: SPAN, language: "python" };
const CALL: MessageInitShape<typeof CallRecordSchema> = {
  startedUs: 1500n,
  durationUs: 2500n,
  queuedUs: 500n,
  bytesIn: 7n,
  bytesOut: 8n,
  revision: 3n,
  outcome: CallOutcome.SUCCEEDED,
  attempts: [{ sessionId: "s-1", plane: DataPlane.LINK, startedUs: 2000n, durationUs: 2000n }],
};

/** A pipeline; `revision` is in the hash of its plan. */
export interface FakePipeline {
  input: string;
  output: string;
  run: (inputs: never) => unknown;
  revision?: number;
  source?: string;
}

/** The half of a fake host that has to do with pipelines. */
export class FakePipelines {
  /** By name, or by source. */
  readonly known = new Map<string, FakePipeline>();
  readonly asked: string[] = [];
  readonly runs: RunPipelineRequest[] = [];
  readonly metadata: grpc.Metadata[] = [];
  readonly deadlines: number[] = [];
  cancelled = 0;

  constructor(readonly heard: () => void) {}

  handlers(): Pick<
    HostHandlers,
    | "checkPipeline"
    | "runPipeline"
    | "runPipelineStream"
    | "putPipeline"
    | "getPipeline"
    | "listPipelines"
    | "deletePipeline"
    | "getRun"
    | "listRuns"
  > {
    return {
      checkPipeline: ({ request }, reply) => {
        this.asked.push("check");
        const known = this.known.get(request.source);
        reply(null, known === undefined ? refusal(request.file) : { plan: planOf(known) });
      },
      getPipeline: ({ request }, reply) => {
        this.asked.push("get");
        const known = this.known.get(request.name);
        if (known === undefined) return reply(statusOf(unknown(request.name)));
        reply(null, { pipeline: storedOf(request.name, known) });
      },
      listPipelines: ({ request }, reply) => {
        const names = [...this.known.keys()].filter((name) => !name.includes(" ")).sort();
        const at = Number(request.pageToken);
        const name = names[at] as string;
        const pipelines = [storedOf(name, this.known.get(name) as FakePipeline)];
        reply(null, { pipelines, nextPageToken: at + 1 < names.length ? String(at + 1) : "" });
      },
      putPipeline: ({ request }, reply) => {
        const { name, source, replaces } = request;
        const present = this.known.get(name);
        if (replaces !== "" && replaces !== (present === undefined ? "new" : hashOf(present)))
          return reply(statusOf(changed()));
        const kept = { ...(this.known.get(source) as FakePipeline), source };
        this.known.set(name, kept);
        reply(null, { pipeline: storedOf(name, kept) });
      },
      deletePipeline: ({ request }, reply) => {
        this.known.delete(request.name);
        reply(null, {});
      },
      getRun: ({ request }, reply) => {
        const words = new Codec(parseType("Int")).encode(6);
        const failed = recordOf(RunOutcome.FAILED, request.runId);
        failed.partialOutputs = [
          { name: "words", value: { case: "data", value: words } },
          { name: "text", value: { case: "json", value: '"a"' } },
        ];
        failed.error = errorToWire(new ModrackError("text.no", "not today"));
        reply(null, { record: failed });
      },
      listRuns: ({ request }, reply) => {
        const runs = ["run-2", "run-1"].map((runId) => recordOf(RunOutcome.SUCCEEDED, runId));
        reply(null, { runs: runs.slice(0, request.limit || undefined) });
      },
      runPipeline: (call, reply) => {
        call.once("cancelled", () => this.#left());
        void this.#run(call.request, call).then(
          (value) =>
            reply(null, { outputs: { case: "outputData", value }, record: recordOf(RunOutcome.SUCCEEDED, "run-1") }),
          (error: ModrackError) => reply(statusOf(error)),
        );
      },
      runPipelineStream: (stream) => void this.#stream(stream),
    };
  }

  async #stream(stream: Parameters<HostHandlers["runPipelineStream"]>[0]): Promise<void> {
    stream.once("cancelled", () => this.#left());
    const run = stream.request.run as RunPipelineRequest;
    const known = this.known.get(run.pipeline.value ?? "");
    if (known !== undefined && run.planHash === hashOf(known)) {
      const started = { runId: "run-1", plan: planOf(known), nodes: [NODE] };
      stream.write({ event: { case: "started", value: started } });
      stream.write({ event: { case: "nodeStarted", value: { bytesIn: 7n, atUs: 1500n } } });
    }
    try {
      const value = await this.#run(run, stream);
      stream.write({ event: { case: "nodeEnded", value: { call: CALL } } });
      const record = recordOf(RunOutcome.SUCCEEDED, "run-1");
      stream.write({ event: { case: "ended", value: { outputs: { case: "outputData", value }, record } } });
      stream.end();
    } catch (error) {
      if (!(error instanceof ModrackError) || error.code === "pipeline.plan.changed")
        return void stream.emit("error", statusOf(error as ModrackError));
      const outputs = { case: "error" as const, value: errorToWire(error) };
      stream.write({ event: { case: "ended", value: { outputs, record: recordOf(RunOutcome.FAILED, "run-1") } } });
      stream.end();
    }
  }

  async #run(
    request: RunPipelineRequest,
    call: { metadata: grpc.Metadata; getDeadline(): grpc.Deadline },
  ): Promise<Uint8Array> {
    this.runs.push(request);
    this.metadata.push(call.metadata);
    this.deadlines.push(Number(call.getDeadline()));
    this.heard();
    const known = this.known.get(request.pipeline.value ?? "") as FakePipeline;
    if (request.planHash !== hashOf(known)) throw changed();
    const inputs = new Codec(parseType(known.input)).decode(request.inputs.value as Uint8Array);
    return new Codec(parseType(known.output)).encode(await known.run(inputs as never));
  }

  #left(): void {
    this.cancelled += 1;
    this.heard();
  }
}

export function hashOf({ input, output, revision = 1 }: FakePipeline): string {
  return `${input} -> ${output} ${revision}`;
}

function planOf(known: FakePipeline): MessageInitShape<typeof PipelinePlanSchema> {
  const [input, output] = [parseType(known.input), parseType(known.output)];
  return {
    hash: hashOf(known),
    input: typeToWire(input),
    output: typeToWire(output),
    schemaFingerprint: createHash("sha256").update(`${known.input} -> ${known.output}`).digest("hex"),
    modules: ["text.Uppercase"],
    graphJson: '{"nodes": []}',
    examplesJson: known.input === "{text: String}" ? ['{"text": "a"}'] : [],
  };
}

function storedOf(name: string, known: FakePipeline): MessageInitShape<typeof StoredPipelineSchema> {
  const { source = "" } = known;
  const storedAt = { seconds: 1_000_000_000n };
  return { name, source, plan: planOf(known), callable: true, storedAt, description: "Shouts." };
}

function recordOf(outcome: RunOutcome, runId: string): MessageInitShape<typeof RunRecordSchema> {
  const node = { node: NODE, calls: 1n, attempts: 1n, bytesIn: 7n, bytesOut: 8n, busyUs: 2500n, recorded: [CALL] };
  return { runId, planHash: "h", startedAt: { seconds: 1_000_000_000n }, durationUs: 4000n, outcome, nodes: [node] };
}

function refusal(file: string) {
  const error = { severity: DiagnosticSeverity.ERROR, span: SPAN };
  const diagnostics = [
    { code: "W001", severity: DiagnosticSeverity.WARNING, message: "unused", span: SPAN },
    {
      ...error,
      code: "E002",
      message: "no module `Upper`",
      label: "here",
      related: [{ span: SPAN, message: "and here" }],
      help: ["did you mean `Uppercase`?"],
    },
    { ...error, code: "E020", message: "no end" },
  ];
  return { diagnostics, rendered: `error[E002] in ${file}` };
}

function unknown(name: string): ModrackError {
  return new ModrackError("pipeline.unknown", `no pipeline \`${name}\``, { category: "NOT_FOUND" });
}

function changed(): ModrackError {
  return new ModrackError("pipeline.plan.changed", "changed", { category: "FAILED_PRECONDITION" });
}
