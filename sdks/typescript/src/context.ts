// What a handler may know of the call that it answers. Starts and ends nothing itself.

import { type Logger, prefixed } from "./logger.js";

/** The facts of a call. */
export interface CallFacts {
  /** Unqualified name of the module. */
  readonly module: string;
  readonly executionId?: string;
  readonly nodeId?: string;
  readonly attempt?: number;
  readonly idempotencyKey?: string;
  readonly traceparent?: string;
  readonly tracestate?: string;
  /** Milliseconds left; 0 or nothing means no deadline. */
  readonly timeoutMs?: number;
}

/** The call that a handler answers: its second argument. */
export class Context {
  /** Unqualified name of the module. */
  readonly module: string;
  /** The run or single call that this belongs to; the same for every attempt. */
  readonly executionId: string;
  /** The step of the pipeline; empty for a single call. */
  readonly nodeId: string;
  /** 1 for the first attempt. */
  readonly attempt: number;
  /** Equal for calls that must have one effect; empty where the caller gave none. */
  readonly idempotencyKey: string;
  /** W3C trace context; empty without a trace. */
  readonly traceparent: string;
  /** W3C trace state; empty without one. */
  readonly tracestate: string;
  readonly #logger: Logger;
  readonly #ends: number;
  #controller: AbortController | undefined;
  #reason: unknown;

  constructor(facts: CallFacts, logger: Logger) {
    this.module = facts.module;
    this.executionId = facts.executionId ?? "";
    this.nodeId = facts.nodeId ?? "";
    this.attempt = facts.attempt ?? 1;
    this.idempotencyKey = facts.idempotencyKey ?? "";
    this.traceparent = facts.traceparent ?? "";
    this.tracestate = facts.tracestate ?? "";
    this.#logger = logger;
    this.#ends = facts.timeoutMs ? Date.now() + facts.timeoutMs : Number.POSITIVE_INFINITY;
  }

  /** When the caller stops waiting; `undefined` without a deadline. */
  get deadline(): Date | undefined {
    return this.#ends === Number.POSITIVE_INFINITY ? undefined : new Date(this.#ends);
  }

  /** Milliseconds until the deadline, never below 0; `undefined` without one. */
  get timeLeft(): number | undefined {
    return this.#ends === Number.POSITIVE_INFINITY ? undefined : Math.max(0, this.#ends - Date.now());
  }

  /** Fires when the caller gives up or the deadline passes; hand it to `fetch`, timers, or whatever the handler awaits. */
  get signal(): AbortSignal {
    // Made when it is asked for: most handlers never do, and a controller costs more than their call.
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#reason !== undefined) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  /** The provider's log; each line names the module and the execution. */
  get log(): Logger {
    return prefixed(this.#logger, `${this.module}${this.executionId && ` ${this.executionId}`}: `);
  }

  /** Whether the caller gave up or the deadline passed. */
  get isCancelled(): boolean {
    return this.#reason !== undefined;
  }

  /**
   * Fires {@link signal}. The provider calls it; only the first time has an effect.
   *
   * @internal
   */
  cancel(reason: unknown): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    this.#controller?.abort(reason);
  }
}
