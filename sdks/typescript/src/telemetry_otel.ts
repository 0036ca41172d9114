// Traces by OpenTelemetry. Loaded only when they are turned on: its imports are optional peer dependencies.

import {
  type Attributes,
  type Context,
  context,
  createTraceState,
  ProxyTracerProvider,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from "@opentelemetry/api";

import { ModrackError } from "./errors.js";
import type { ClientSpan, ServedCall, ServerSpan, Trace, Tracing } from "./telemetry.js";
import { VERSION } from "./version.js";

const NAME = "@modrack/sdk";
const FLUSH_MS = 3_000;
const TRACEPARENT = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-|$)/;

/** Tracing with the program's own tracer provider, where it has registered one; else with one that exports by OTLP over gRPC. */
export async function startTracing(): Promise<Tracing> {
  const flush = isRegistered() ? async () => undefined : await register();
  return new OtelTracing(trace.getTracer(NAME, VERSION), flush);
}

function isRegistered(): boolean {
  const provider = trace.getTracerProvider();
  return !(provider instanceof ProxyTracerProvider) || provider.getDelegateTracer(NAME) !== undefined;
}

async function register(): Promise<() => Promise<void>> {
  const [sdk, { OTLPTraceExporter }, resources] = await Promise.all([
    import("@opentelemetry/sdk-trace-node"),
    import("@opentelemetry/exporter-trace-otlp-grpc"),
    import("@opentelemetry/resources"),
  ]);
  const found = resources.detectResources({ detectors: [resources.envDetector] });
  const named = resources.resourceFromAttributes({ "service.name": "modrack" });
  const provider = new sdk.NodeTracerProvider({
    resource: resources.defaultResource().merge(named).merge(found),
    spanProcessors: [new sdk.BatchSpanProcessor(new OTLPTraceExporter())],
  });
  provider.register();
  const flush = (): Promise<void> => bounded(provider.forceFlush());
  // A program that only calls ends by having nothing to do; what it has traced must not be lost then.
  process.once("beforeExit", () => void flush());
  return flush;
}

/** A collector that is not there must keep nobody; that spans are lost is no failure of the program. */
async function bounded(flushed: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, FLUSH_MS);
  });
  await Promise.race([flushed.catch(() => undefined), late]);
  clearTimeout(timer);
}

class OtelTracing implements Tracing {
  constructor(
    readonly tracer: Tracer,
    readonly flush: () => Promise<void>,
  ) {}

  serve({ module, executionId, plane, ...outer }: ServedCall): ServerSpan {
    const attributes = {
      "modrack.module": module,
      "modrack.execution_id": executionId,
      "modrack.plane": plane,
    };
    const parent = contextOf(outer);
    const span = this.tracer.startSpan(module, { kind: SpanKind.SERVER, attributes }, parent);
    const inside = trace.setSpan(parent, span);
    return {
      run: (act) => context.with(inside, act),
      end: (error) => end(span, error),
    };
  }

  call(module: string, outer: Trace): ClientSpan {
    const active = context.active();
    const parent = trace.getSpan(active) === undefined ? contextOf(outer, active) : active;
    const attributes: Attributes = { "modrack.module": module };
    const span = this.tracer.startSpan(module, { kind: SpanKind.CLIENT, attributes }, parent);
    const { traceId, spanId, traceFlags, traceState } = span.spanContext();
    return {
      traceparent: `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, "0")}`,
      tracestate: traceState?.serialize() ?? "",
      end: (error) => end(span, error),
    };
  }
}

/** A context with the span that a trace context names; without one, as it is. */
function contextOf({ traceparent, tracestate }: Trace, base: Context = ROOT_CONTEXT): Context {
  const [, traceId, spanId, flags] = TRACEPARENT.exec(traceparent) ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return base;
  return trace.setSpanContext(base, {
    traceId,
    spanId,
    traceFlags: Number.parseInt(flags, 16),
    isRemote: true,
    ...(tracestate === "" ? {} : { traceState: createTraceState(tracestate) }),
  });
}

function end(span: Span, error: unknown): void {
  if (!span.isRecording()) return;
  if (error instanceof ModrackError) {
    span.setAttributes({ "error.type": error.code, "modrack.error.category": error.category });
    span.setStatus({ code: SpanStatusCode.ERROR, message: error.message });
  } else if (error !== undefined) {
    span.setAttribute("error.type", error instanceof Error ? error.name : "unknown");
    span.setStatus({ code: SpanStatusCode.ERROR });
  }
  span.end();
}
