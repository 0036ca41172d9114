import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

import { create } from "@bufbuild/protobuf";
import { afterEach, beforeEach, expect, expectTypeOf, test } from "vitest";
import { Plans } from "../src/client/which.js";
import { Codec } from "../src/codec/codec.js";
import { PipelinePlanSchema } from "../src/generated/modrack/host/v1/pipeline.js";
import { TypeKind } from "../src/generated/modrack/types/v1/types.js";
import { Client, type Context, ModuleError, Provider, parseType, type RunEvent, TypedModule, t } from "../src/index.js";
import { FakeHost } from "./support/fake_host.js";

const SHOUT = "in text: String\nshouted = Uppercase(text)\nout shouted\n";
const shout = {
  input: "{text: String}",
  output: "{shouted: String}",
  run: ({ text }: { text: string }) => ({ shouted: text.toUpperCase() }),
};

let host: FakeHost;
let client: Client;
let folder: string;

beforeEach(async () => {
  host = await FakeHost.start();
  host.pipelines.known.set(SHOUT, { ...shout });
  host.pipelines.known.set("shout", { ...shout, source: SHOUT });
  client = new Client({ host: host.url });
  folder = mkdtempSync(join(tmpdir(), "modrack-"));
});

afterEach(async () => {
  client.close();
  await host.stop();
  rmSync(folder, { recursive: true });
});

function known(name: string) {
  const found = host.pipelines.known.get(name);
  if (found === undefined) throw new Error(`no pipeline ${name}`);
  return found;
}

async function all(events: AsyncIterable<RunEvent>): Promise<RunEvent[]> {
  const found: RunEvent[] = [];
  for await (const event of events) found.push(event);
  return found;
}

test("a source runs with values, and its types are asked for once", async () => {
  for (let i = 0; i < 3; i += 1) {
    const run = await client.runPipeline<{ shouted: string }>(SHOUT, { text: "straße" });
    expect(run.outputs).toEqual({ shouted: "STRASSE" });
    expect(run.runId).toBe("run-1");
    expect(run.record).toMatchObject({ outcome: "succeeded", durationMs: 4, error: undefined });
    expect(run.record.nodes).toMatchObject([
      { calls: 1, busyMs: 2.5, node: { module: "text.Uppercase", place: { line: 2 } } },
    ]);
    expect(run.record.nodes[0]?.recorded[0]).toMatchObject({ queuedMs: 0.5, attempts: [{ plane: "link" }] });
  }
  expect(host.pipelines.asked).toEqual(["check"]);
  const left = (host.pipelines.deadlines[0] as number) - Date.now();
  expect(left).toBeGreaterThan(250_000);
  expect(left).toBeLessThan(302_000);
});

test("inputs that do not fit are refused before anything is sent", async () => {
  await expect(client.runPipeline(SHOUT, { text: 1 })).rejects.toMatchObject({
    code: "codec.type_mismatch",
    path: ".text",
  });
  expect(host.pipelines.runs).toHaveLength(0);
});

test("a stored pipeline runs by its name and by its types", async () => {
  const types = { input: t.record({ text: t.string }), output: t.record({ shouted: t.string }) };
  const module = new TypedModule("pipeline.shout", types);
  expect((await client.runPipeline("shout", { text: "a" })).outputs).toEqual({ shouted: "A" });
  const { outputs } = await client.runPipeline(module, { text: "a" });
  expectTypeOf(outputs).toEqualTypeOf<{ shouted: string }>();
  expect(outputs.shouted).toBe("A");
  expect(host.pipelines.runs.map(({ pipeline }) => pipeline.case)).toEqual(["name", "name"]);
  expect(host.pipelines.asked).toEqual(["get"]);
  const other = new TypedModule("pipeline.shout", { ...types, output: t.string });
  await expect(client.runPipeline(other, { text: "a" })).rejects.toMatchObject({ code: "registry.schema.changed" });
  expect(host.pipelines.runs).toHaveLength(2);
  await expect(client.runPipeline("nobody")).rejects.toMatchObject({
    code: "pipeline.unknown",
    category: "NOT_FOUND",
  });
});

test("a file runs, and is named in messages", async () => {
  const file = join(folder, "shout.cst");
  writeFileSync(file, SHOUT);
  expect((await client.runPipeline({ file }, { text: "a" })).outputs).toEqual({ shouted: "A" });
  expect(host.pipelines.runs[0]?.file).toBe("shout.cst");
  writeFileSync(file, "in text");
  await expect(client.runPipeline({ file: pathToFileURL(file) }, { text: "a" })).rejects.toMatchObject({
    category: "INVALID_ARGUMENT",
    code: "pipeline.check.failed",
    message: "the pipeline does not check: E002 no module `Upper` at shout.cst:2:5, and 1 more",
    details: { count: "2", code: "E002", line: "2", column: "5", rendered: "error[E002] in shout.cst" },
  });
});

test("an old plan is asked for again and the run sent once more", async () => {
  await client.runPipeline("shout", { text: "a" });
  known("shout").revision = 2;
  expect((await client.runPipeline("shout", { text: "b" })).outputs).toEqual({ shouted: "B" });
  host.pipelines.known.set("shout", { input: "{n: Int}", output: "{n: Int}", run: (inputs) => inputs });
  // The inputs do not fit the kept plan, so its age is why.
  expect((await client.runPipeline("shout", { n: 1 })).outputs).toEqual({ n: 1 });
  expect(host.pipelines.asked).toEqual(["get", "get", "get"]);
  expect(host.pipelines.runs).toHaveLength(4);
});

test("a run that failed is never repeated", async () => {
  await client.runPipeline(SHOUT, { text: "a" });
  known(SHOUT).run = () => {
    throw new ModuleError("text.not_yet", "not yet", { category: "FAILED_PRECONDITION" });
  };
  await expect(client.runPipeline(SHOUT, { text: "a" })).rejects.toMatchObject({ code: "text.not_yet" });
  expect(host.pipelines.runs).toHaveLength(2);
});

test("a failure says where it happened, and the record is there for it", async () => {
  const details = { run_id: "run-1", node: "0", module: "text.Uppercase", line: "2", column: "5" };
  known(SHOUT).run = () => {
    throw new ModuleError("text.no", "not today", { category: "CONFLICT", details });
  };
  await expect(client.runPipeline(SHOUT, { text: "a" })).rejects.toMatchObject({
    code: "text.no",
    category: "CONFLICT",
    origin: "module",
    details,
  });
  const record = await client.getRun("run-1");
  expect(record).toMatchObject({ runId: "run-1", outcome: "failed", error: { code: "text.no" } });
  expect([...record.partialOutputs]).toEqual([
    ["words", 6],
    ["text", "a"],
  ]);
});

test("a run ends at its time, and when its signal fires, and the host hears of it", async () => {
  known(SHOUT).run = () => new Promise(() => undefined);
  await expect(client.runPipeline(SHOUT, { text: "a" }, { timeoutMs: 100 })).rejects.toMatchObject({
    code: "client.deadline.exceeded",
  });
  await host.until(() => host.pipelines.cancelled === 1);
  const abort = new AbortController();
  const run = client.runPipeline(SHOUT, { text: "a" }, { signal: abort.signal });
  await host.until(() => host.pipelines.runs.length === 2);
  abort.abort();
  await expect(run).rejects.toMatchObject({ code: "client.call.cancelled" });
  await host.until(() => host.pipelines.cancelled === 2);
});

test("a stream tells what happens and ends with the outputs", async () => {
  const events = await all(client.streamPipeline(SHOUT, { text: "a" }));
  expect(events).toMatchObject([
    { kind: "started", runId: "run-1", nodes: [{ label: "shouted" }] },
    { kind: "nodeStarted", node: 0, bytesIn: 7, atMs: 1.5 },
    { kind: "nodeEnded", node: 0, call: { outcome: "succeeded" } },
    { kind: "ended", outputs: { shouted: "A" }, record: { outcome: "succeeded" } },
  ]);
  known(SHOUT).revision = 2;
  expect(await all(client.streamPipeline(SHOUT, { text: "a" }))).toHaveLength(4);
  expect(host.pipelines.asked).toEqual(["check", "check"]);
});

test("a stream of a run that fails tells the record, and throws", async () => {
  known(SHOUT).run = () => {
    throw new ModuleError("text.no", "not today");
  };
  const events: RunEvent[] = [];
  const reading = async () => {
    for await (const event of client.streamPipeline(SHOUT, { text: "a" })) events.push(event);
  };
  await expect(reading()).rejects.toMatchObject({ code: "text.no" });
  expect(events.at(-1)).toMatchObject({ kind: "ended", record: { outcome: "failed" }, error: { code: "text.no" } });
});

test("leaving a stream cancels the run", async () => {
  known(SHOUT).run = () => new Promise(() => undefined);
  for await (const event of client.streamPipeline(SHOUT, { text: "a" })) if (event.kind === "nodeStarted") break;
  await host.until(() => host.pipelines.cancelled === 1);
});

test("a check says all there is to say", async () => {
  expect(await client.checkPipeline(SHOUT)).toMatchObject({
    diagnostics: [],
    plan: { input: "{text: String}", modules: ["text.Uppercase"], graph: { nodes: [] }, examples: [{ text: "a" }] },
  });
  const bad = await client.checkPipeline("garbage");
  expect(bad.plan).toBeUndefined();
  expect(bad.diagnostics).toMatchObject([
    { code: "W001", severity: "warning" },
    {
      code: "E002",
      severity: "error",
      place: { line: 2, column: 5 },
      related: [{ message: "and here" }],
      help: ["did you mean `Uppercase`?"],
    },
    { code: "E020" },
  ]);
});

test("pipelines are put, listed, shown and deleted", async () => {
  const put = await client.putPipeline("louder", SHOUT, { replaces: "new" });
  expect(put).toMatchObject({ name: "louder", callable: true, description: "Shouts.", source: SHOUT });
  expect(put.storedAt.getUTCFullYear()).toBe(2001);
  await expect(client.putPipeline("louder", SHOUT, { replaces: "new" })).rejects.toMatchObject({
    code: "pipeline.plan.changed",
  });
  expect((await client.listPipelines()).map(({ name }) => name)).toEqual(["louder", "shout"]);
  expect((await client.getPipeline("louder")).source).toBe(SHOUT);
  expect((await client.listRuns({ pipeline: "louder", limit: 1 })).map(({ runId }) => runId)).toEqual(["run-2"]);
  await client.deletePipeline("louder");
  await expect(client.getPipeline("louder")).rejects.toMatchObject({ code: "pipeline.unknown" });
});

test("a handler runs pipelines within its own deadline and trace, with its session's token", async () => {
  const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const silent = { debug() {}, info() {}, warn() {}, error() {} };
  const handler = async ({ text }: { text: string }, { client }: Context) =>
    (await client.runPipeline<{ shouted: string }>("shout", { text })).outputs.shouted;
  const provider = new Provider("test", { host: host.url, graceMs: 100, logger: silent }).module(
    "Loud",
    { input: { text: t.string }, output: t.string },
    handler,
  );
  await provider.start();
  const request = {
    moduleName: "Loud",
    inputData: new Codec(parseType("{text: String}")).encode({ text: "a" }),
    timeoutMs: 5000,
    traceparent: trace,
  };
  const peer = await host.peer();
  const { result } = await peer.execute(request).response;
  expect(new Codec(parseType("String")).decode(result.value as Uint8Array)).toBe("A");
  const [metadata] = host.pipelines.metadata;
  expect(metadata?.get("traceparent")).toEqual([trace]);
  expect(metadata?.get("authorization")).toEqual(["Bearer token-1"]);
  expect((host.pipelines.deadlines[0] as number) - Date.now()).toBeLessThan(6000);
  known("shout").run = () => new Promise(() => undefined);
  const { callId } = peer.execute(request);
  await host.until(() => host.pipelines.runs.length === 2);
  peer.send([{ callId, frame: { case: "cancel", value: { reason: 1 } } }]);
  await host.until(() => host.pipelines.cancelled === 1);
  await provider.stop();
});

test("the plans of the last pipelines are kept", () => {
  const plans = new Plans();
  const record = { kind: TypeKind.RECORD };
  const plan = create(PipelinePlanSchema, { input: record, output: record });
  for (let i = 0; i < 256; i += 1) plans.keep(String(i), plan);
  expect(plans.get("0")).toBeDefined();
  plans.keep("one more", plan);
  expect([plans.get("0") !== undefined, plans.get("1")]).toEqual([true, undefined]);
});
