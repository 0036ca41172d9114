// How a client asks its host: until when, under which signal, in which trace. Knows no message: see `channel.ts`.

import { called } from "../called.js";
import { type ClientSpan, type Trace, tracing } from "../telemetry.js";
import type { Ask, HostChannel, Scope } from "./channel.js";
import type { WaitOptions } from "./options.js";

/** Milliseconds that a wait takes at most where the caller says nothing. */
export const DEFAULT_TIMEOUT_MS = 30_000;

/** The questions of one client. */
export class Asker {
  readonly #tracing = tracing();

  constructor(
    readonly channel: HostChannel,
    readonly scope: Scope,
    readonly timeoutMs: number,
  ) {}

  /** What each question of one call is asked with: the deadline is that of the call, the token the present one. */
  asking({ timeoutMs = this.timeoutMs, signal }: WaitOptions, trace: Trace = this.scope): () => Ask {
    const deadline = Math.min(Date.now() + timeoutMs, this.scope.deadline);
    const outer = this.scope.signal;
    const both = signal !== undefined && outer !== undefined ? AbortSignal.any([signal, outer]) : (signal ?? outer);
    return () => ({ deadline, signal: both, metadata: this.channel.metadata(trace) });
  }

  /** The span of a call, where calls are traced; what goes out with the call names it. */
  async span(name: string): Promise<ClientSpan | undefined> {
    if (this.#tracing === undefined) return undefined;
    return (await this.#tracing)?.call(name, this.scope);
  }

  /** Does something inside the span of a call, where calls are traced. */
  async spanned<T>(name: string, options: WaitOptions, act: (ask: () => Ask) => Promise<T>): Promise<T> {
    let span: ClientSpan | undefined;
    try {
      span = this.#tracing && (await this.span(name));
      const result = await act(this.asking(options, span));
      span?.end();
      return result;
    } catch (error) {
      span?.end(error);
      throw called(error);
    }
  }
}
