import { SpanKind, trace } from "@opentelemetry/api";
import {
  InMemorySpanExporter,
  NodeTracerProvider,
  type ReadableSpan,
  SimpleSpanProcessor,
} from "@opentelemetry/sdk-trace-node";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";

import { Codec } from "../src/codec/codec.js";
import { CancelReason } from "../src/generated/modrack/provider/v1/frames.js";
import { Client, type Context, ModuleError, Provider, parseType, t } from "../src/index.js";
import { FakeHost } from "./support/fake_host.js";

const TRACE_ID = "0af7651916cd43dd8448eb211c80319c";
const TRACEPARENT = `00-${TRACE_ID}-b7ad6b7169203331-01`;
const silent = { debug() {}, info() {}, warn() {}, error() {} };

const exporter = new InMemorySpanExporter();
// A tracer provider of the program's own: ours must not take its place.
const own = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });

let host: FakeHost;
let provider: Provider;
let outer: (context: Context) => Promise<number>;

beforeAll(() => {
  own.register();
  process.env["OTEL_EXPORTER_OTLP_ENDPOINT"] = "http://127.0.0.1:1";
});

afterAll(() => own.shutdown());

beforeEach(async () => {
  exporter.reset();
  host = await FakeHost.start();
});

afterEach(async () => {
  await provider.stop();
  await host.stop();
});

async function start(plane: "link" | "attach" | "unary"): Promise<void> {
  provider = new Provider("test", { host: host.url, plane, graceMs: 100, logger: silent })
    .module("Outer", { input: {}, output: t.int }, (_, context) => outer(context))
    .module("Inner", { input: {}, output: t.int }, () => 1)
    .module("Fail", { input: {}, output: t.int }, () => {
      throw new ModuleError("test.full", "no room", { category: "RATE_LIMITED" });
    })
    .module("Items", { input: {}, output: t.stream(t.int) }, async function* () {
      trace.getTracer("test").startSpan("first").end();
      yield 1;
      trace.getTracer("test").startSpan("second").end();
      yield 2;
    })
    .module("Wait", { input: {}, output: t.int }, () => new Promise<number>(() => undefined));
  await provider.start();
}

function request(moduleName: string) {
  const inputData = new Codec(parseType("{}")).encode({});
  const tracestate = "vendor=1";
  return { moduleName, inputData, executionId: "run-7", traceparent: TRACEPARENT, tracestate };
}

function span(name: string, kind = SpanKind.SERVER): ReadableSpan {
  const found = exporter.getFinishedSpans().find((one) => one.name === name && one.kind === kind);
  if (found === undefined)
    throw new Error(`no span ${name}; there are ${exporter.getFinishedSpans().map((s) => s.name)}`);
  return found;
}

for (const plane of ["link", "attach", "unary"] as const) {
  test(`a handler runs in a span of the caller's trace (${plane})`, async () => {
    await start(plane);
    outer = async () => {
      await Promise.resolve();
      trace.getTracer("test").startSpan("inside").end();
      return 1;
    };
    if (plane === "unary") {
      const executor = host.executor();
      await executor.execute(request("Outer"));
      executor.close();
    } else await (await host.peer()).execute(request("Outer")).response;
    const served = span("test.Outer");
    expect(served.attributes).toEqual({
      "modrack.module": "test.Outer",
      "modrack.execution_id": "run-7",
      "modrack.plane": plane,
    });
    expect(served.parentSpanContext).toMatchObject({ traceId: TRACE_ID, spanId: "b7ad6b7169203331", isRemote: true });
    expect(served.spanContext().traceState?.serialize()).toBe("vendor=1");
    expect(span("inside", SpanKind.INTERNAL).parentSpanContext?.spanId).toBe(served.spanContext().spanId);
  });
}

describe("a span", () => {
  beforeEach(() => start("link"));

  test("of a failure has its code and category", async () => {
    await (await host.peer()).execute(request("Fail")).response;
    expect(span("test.Fail")).toMatchObject({
      status: { code: 2, message: "no room" },
      attributes: { "error.type": "test.full", "modrack.error.category": "RATE_LIMITED" },
    });
  });

  test("of a stream lasts to its end, with what the generator does in it", async () => {
    const peer = await host.peer();
    const callId = peer.stream(request("Items"), 1);
    await peer.until(() => peer.of(callId).length === 1);
    expect(exporter.getFinishedSpans().map(({ name }) => name)).toEqual(["first"]);
    peer.grant(callId, 5);
    await peer.until(() => peer.of(callId).at(-1)?.case === "end");
    const { spanId } = span("test.Items").spanContext();
    for (const name of ["first", "second"])
      expect(span(name, SpanKind.INTERNAL).parentSpanContext?.spanId).toBe(spanId);
  });

  test("of a cancelled call ends with the cancel", async () => {
    const peer = await host.peer();
    const { callId } = peer.execute(request("Wait"));
    peer.send([{ callId, frame: { case: "cancel", value: { reason: CancelReason.CALLER } } }]);
    await peer.settled();
    expect(span("test.Wait").attributes["error.type"]).toBe("executor.call.cancelled");
  });

  test("of a nested call is a child of the handler's, and is what the host is told", async () => {
    outer = ({ client }) => client.call<number>("test.Inner");
    await (await host.peer()).execute(request("Outer")).response;
    const call = span("test.Inner", SpanKind.CLIENT);
    expect(call.parentSpanContext?.spanId).toBe(span("test.Outer").spanContext().spanId);
    const { spanId } = call.spanContext();
    expect(host.metadata[0]?.get("traceparent")).toEqual([`00-${TRACE_ID}-${spanId}-01`]);
    expect(host.metadata[0]?.get("tracestate")).toEqual(["vendor=1"]);
  });

  test("of a client's call is a child of what is active, for streams and batches too", async () => {
    const client = new Client({ host: host.url });
    await own.getTracer("test").startActiveSpan("program", async (active) => {
      await client.call("test.Inner");
      for await (const _ of client.stream("test.Items"));
      await client.callBatch("test.Inner", [{}]).catch(() => undefined);
      active.end();
    });
    await expect(client.call("test.Fail")).rejects.toMatchObject({ code: "test.full" });
    client.close();
    const { spanId, traceId } = span("program", SpanKind.INTERNAL).spanContext();
    for (const name of ["test.Inner", "test.Items"])
      expect(span(name, SpanKind.CLIENT).parentSpanContext?.spanId).toBe(spanId);
    expect(host.metadata.slice(0, 3).map((metadata) => String(metadata.get("traceparent")[0]).slice(3, 35))).toEqual([
      traceId,
      traceId,
      traceId,
    ]);
    expect(span("test.Fail", SpanKind.CLIENT).attributes["error.type"]).toBe("test.full");
  });
});
