// What a handler may know of the call that it answers. Starts and ends nothing itself.

import type { Scope } from "./client/channel.js";
import type { Client } from "./client.js";
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

/** What the calls of one provider share. */
export interface Surroundings {
  readonly logger: Logger;
  /** A client whose calls belong to the call that a handler answers. */
  readonly nested: (scope: Scope) => Client;
}

/** The call that a handler answers: its second argument. */
export class Context {
  readonly #facts: CallFacts;
  readonly #around: Surroundings;
  readonly #ends: number;
  #client: Client | undefined;
  #controller: AbortController | undefined;
  #reason: unknown;

  constructor(facts: CallFacts, around: Surroundings) {
    this.#facts = facts;
    this.#around = around;
    this.#ends = facts.timeoutMs ? Date.now() + facts.timeoutMs : Number.POSITIVE_INFINITY;
  }

  /** Unqualified name of the module. */
  get module(): string {
    return this.#facts.module;
  }

  /** The run or single call that this belongs to; the same for every attempt. */
  get executionId(): string {
    return this.#facts.executionId ?? "";
  }

  /** The step of the pipeline; empty for a single call. */
  get nodeId(): string {
    return this.#facts.nodeId ?? "";
  }

  /** 1 for the first attempt. */
  get attempt(): number {
    return this.#facts.attempt || 1;
  }

  /** Equal for calls that must have one effect; empty where the caller gave none. */
  get idempotencyKey(): string {
    return this.#facts.idempotencyKey ?? "";
  }

  /** W3C trace context; empty without a trace. */
  get traceparent(): string {
    return this.#facts.traceparent ?? "";
  }

  /** W3C trace state; empty without one. */
  get tracestate(): string {
    return this.#facts.tracestate ?? "";
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

  /**
   * Calls other modules as a part of this call: with what is left of its deadline at most, in its trace, and cancelled with
   * it. The host knows them by the provider's session, so that no token is needed. All calls of a provider share one
   * connection, which the first of them opens.
   */
  get client(): Client {
    this.#client ??= this.#around.nested(this.#scope());
    return this.#client;
  }

  /** The provider's log; each line names the module and the execution. */
  get log(): Logger {
    return prefixed(this.#around.logger, `${this.module}${this.executionId && ` ${this.executionId}`}: `);
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

  #scope(): Scope {
    const { signal, traceparent, tracestate } = this;
    return { deadline: this.#ends, signal, traceparent, tracestate };
  }
}

/** The calls that a batch handler answers together: its second argument. */
export class BatchContext extends Context {
  /** In the order of the inputs: equal for calls that must have one effect, empty where the caller gave none. */
  readonly idempotencyKeys: readonly string[];

  constructor(facts: CallFacts, around: Surroundings, idempotencyKeys: readonly string[]) {
    super(facts, around);
    this.idempotencyKeys = idempotencyKeys;
  }
}
