// What a request says of the call that it asks for, from the buffer that it came in or from a generated message.
// Decodes no input and runs nothing.

import { fromBinary } from "@bufbuild/protobuf";

import { Reader } from "../codec/reader.js";
import type { CallFacts } from "../context.js";
import { type ExecuteRequest, ExecuteRequestSchema } from "../generated/modrack/provider/v1/execution.js";

const NO_TEXT = 0;

/** A call that is asked for. Its input is to be read before the next frame is. */
export interface Request extends CallFacts {
  /** Where the input is: from `at` to `end`. */
  readonly input: Reader;
}

/** A request in the buffer that it came in; texts are made when they are asked for. Keeps the buffer alive. */
export class RequestView implements Request {
  module = "";
  attempt = 0;
  timeoutMs = 0;
  executionAt = NO_TEXT;
  executionEnd = NO_TEXT;
  nodeAt = NO_TEXT;
  nodeEnd = NO_TEXT;
  keyAt = NO_TEXT;
  keyEnd = NO_TEXT;
  parentAt = NO_TEXT;
  parentEnd = NO_TEXT;
  stateAt = NO_TEXT;
  stateEnd = NO_TEXT;

  constructor(
    readonly bytes: Buffer,
    readonly input: Reader,
  ) {}

  get executionId(): string {
    return this.bytes.toString("utf8", this.executionAt, this.executionEnd);
  }

  get nodeId(): string {
    return this.bytes.toString("utf8", this.nodeAt, this.nodeEnd);
  }

  get idempotencyKey(): string {
    return this.bytes.toString("utf8", this.keyAt, this.keyEnd);
  }

  get traceparent(): string {
    return this.bytes.toString("utf8", this.parentAt, this.parentEnd);
  }

  get tracestate(): string {
    return this.bytes.toString("utf8", this.stateAt, this.stateEnd);
  }
}

/** The request of a generated message. */
export function requestOf(message: ExecuteRequest): Request {
  const { moduleName, inputData, executionId, nodeId, attempt, idempotencyKey, traceparent, tracestate, timeoutMs } =
    message;
  const facts = { executionId, nodeId, attempt, idempotencyKey, traceparent, tracestate, timeoutMs };
  return { module: moduleName, input: readerOf(inputData), ...facts };
}

/** The request that a gRPC message holds. */
export function requestOfBytes(bytes: Buffer): Request {
  return requestOf(fromBinary(ExecuteRequestSchema, bytes));
}

/** A reader of bytes that stand alone. */
export function readerOf(bytes: Uint8Array): Reader {
  return new Reader(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
}
