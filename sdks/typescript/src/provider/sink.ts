// What calls answer to, and what stops them. The planes implement the one and hold the other.

import type { ModrackError } from "../errors.js";
import type { Module } from "../module.js";
import type { CallId } from "../wire/frames_in.js";
import type { Request } from "../wire/request.js";

/** Takes the answers of calls. Each call is told from the others by its id. */
export interface Sink {
  /** Ends a call with a value that is still to be encoded. @throws what the encoding throws; the call goes on then. */
  answer(id: CallId, module: Module, value: unknown): void;
  /** Ends a call with an encoded output. @throws ModrackError with `module.output_too_large`. */
  encoded(id: CallId, output: Uint8Array): void;
  /** One item of a stream, to be encoded; throws as `answer`. Not called without credit. */
  item(id: CallId, module: Module, value: unknown): void;
  /** Ends a stream well. */
  end(id: CallId): void;
  /** Ends a batch: one answer per request, in their order. @throws ModrackError with `module.output_too_large`. */
  answers(id: CallId, answers: readonly (Uint8Array | ModrackError)[]): void;
  /** Ends any call with a failure. */
  fail(id: CallId, error: ModrackError): void;
}

/** A call that is not answered yet. */
export interface Running {
  /** Fires the handler's signal and closes its iterator. Nothing is answered any more. */
  cancel(reason: ModrackError): void;
  /** Permits so many items more; nothing where there are no items. */
  grant(items: number): void;
}

/** Starts calls. Each gives `undefined` for what is answered already. */
export interface Starter {
  /** A call that is answered once. */
  call(id: CallId, request: Request, sink: Sink): Running | undefined;
  /** A call whose output is a stream, with credit for its first items. */
  stream(id: CallId, request: Request, credit: number, sink: Sink): Running | undefined;
  /** Several calls of one module, of which there is at least one, answered together. */
  batch(id: CallId, requests: readonly Request[], sink: Sink): Running | undefined;
}
