// Whether calls are traced, and what the rest of the package needs of that. Off, nothing of OpenTelemetry is loaded and a call
// pays nothing; on, `telemetry_otel.ts` does it.

import type { ModrackError } from "./errors.js";
import { stderrLogger } from "./logger.js";

/** The W3C trace context that goes along with a call; empty without a trace. */
export interface Trace {
  readonly traceparent: string;
  readonly tracestate: string;
}

/** A call as its span tells it. */
export interface ServedCall extends Trace {
  /** Qualified name of the module. */
  readonly module: string;
  readonly executionId: string;
  readonly plane: string;
}

/** The span of a handler. */
export interface ServerSpan {
  /** Runs something inside the span, so that the spans that it begins are its children. */
  run<T>(inside: () => T): T;
  /** Ends it; only the first time has an effect. */
  end(error?: ModrackError): void;
}

/** The span of a client's call, and what goes out with the call. */
export interface ClientSpan extends Trace {
  /** Ends it; an error that has no code is told by its kind. */
  end(error?: unknown): void;
}

/** Makes spans. */
export interface Tracing {
  /** The span of a handler, in the trace that the host's request names. */
  serve(call: ServedCall): ServerSpan;
  /** The span of a call to the host: in what is active here, else in the trace given. */
  call(module: string, outer: Trace): ClientSpan;
  /** Sends what waits, within a bounded time; never rejects. A program's own tracer provider is left to the program. */
  flush(): Promise<void>;
}

let loading: Promise<Tracing | undefined> | undefined;

/**
 * Tracing as the environment asks for it: `undefined` where neither `OTEL_EXPORTER_OTLP_ENDPOINT` nor
 * `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` is set. Loaded once; without the packages it is told in the log that there will be no traces.
 */
export function tracing(): Promise<Tracing | undefined> | undefined {
  const { env } = process;
  if (!env["OTEL_EXPORTER_OTLP_ENDPOINT"] && !env["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"]) return undefined;
  if (env["OTEL_SDK_DISABLED"] === "true") return undefined;
  loading ??= load();
  return loading;
}

async function load(): Promise<Tracing | undefined> {
  try {
    const { startTracing } = await import("./telemetry_otel.js");
    return await startTracing();
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ERR_MODULE_NOT_FOUND")) throw error;
    const packages = "@opentelemetry/{api,resources,sdk-trace-node,exporter-trace-otlp-grpc}";
    stderrLogger.warn(`an OTLP endpoint is set, but nothing is traced: install ${packages}`);
    return undefined;
  }
}
