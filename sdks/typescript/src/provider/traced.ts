// Calls that run inside spans. Stands between a plane and the runner only where calls are traced.

import type { ModrackError } from "../errors.js";
import type { ServerSpan, Tracing } from "../telemetry.js";
import type { CallId } from "../wire/frames_in.js";
import type { Request } from "../wire/request.js";
import type { Plane } from "./connection.js";
import type { Running, Sink, Starter } from "./sink.js";

/** Starts calls as another does, each inside the span of its handler, which ends with the call. */
export class TracedStarter implements Starter {
  constructor(
    readonly starter: Starter,
    readonly tracing: Tracing,
    readonly namespace: string,
    readonly plane: Plane,
  ) {}

  call(id: CallId, request: Request, sink: Sink): Running | undefined {
    return this.#spanned(request, sink, (traced) => this.starter.call(id, request, traced));
  }

  stream(id: CallId, request: Request, credit: number, sink: Sink): Running | undefined {
    return this.#spanned(request, sink, (traced) => this.starter.stream(id, request, credit, traced));
  }

  batch(id: CallId, requests: readonly Request[], sink: Sink): Running | undefined {
    const [first] = requests as [Request];
    return this.#spanned(first, sink, (traced) => this.starter.batch(id, requests, traced));
  }

  #spanned(request: Request, sink: Sink, start: (sink: Sink) => Running | undefined): Running | undefined {
    const { module, executionId = "", traceparent = "", tracestate = "" } = request;
    const name = `${this.namespace}.${module}`;
    const span = this.tracing.serve({ module: name, executionId, plane: this.plane, traceparent, tracestate });
    const running = span.run(() => start(tracedSink(sink, span)));
    if (running === undefined) return undefined;
    return {
      grant: (items) => running.grant(items),
      cancel: (reason: ModrackError) => {
        running.cancel(reason);
        span.end(reason);
      },
    };
  }
}

function tracedSink(sink: Sink, span: ServerSpan): Sink {
  return {
    item: (id, module, value) => sink.item(id, module, value),
    answer: (id, module, value) => {
      sink.answer(id, module, value);
      span.end();
    },
    encoded: (id, output) => {
      sink.encoded(id, output);
      span.end();
    },
    end: (id) => {
      sink.end(id);
      span.end();
    },
    answers: (id, answers) => {
      sink.answers(id, answers);
      span.end();
    },
    fail: (id, error) => {
      sink.fail(id, error);
      span.end(error);
    },
  };
}
