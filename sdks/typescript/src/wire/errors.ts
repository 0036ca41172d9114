// Errors to and from `modrack.error.v1.Error` and the gRPC trailer. Invents codes only where the other side sent none.

import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { AnySchema, anyPack, anyUnpack } from "@bufbuild/protobuf/wkt";
import { Metadata, type ServiceError, type StatusObject, status } from "@grpc/grpc-js";

import { CATEGORIES, type Category, ModrackError, type Origin } from "../errors.js";
import { ErrorSchema, StatusDetailsSchema, type Error as WireError } from "../generated/modrack/error/v1/error.js";

const TRAILER = "grpc-status-details-bin";

/** In the order of `modrack.error.v1.Origin`; the first has the number 1. */
const ORIGINS: readonly Origin[] = ["module", "core", "middleware", "upstream"];

/** The gRPC status of each category. */
const STATUS: Readonly<Record<Category, status>> = {
  INVALID_ARGUMENT: status.INVALID_ARGUMENT,
  UNAUTHENTICATED: status.UNAUTHENTICATED,
  PERMISSION_DENIED: status.PERMISSION_DENIED,
  NOT_FOUND: status.NOT_FOUND,
  CONFLICT: status.ABORTED,
  FAILED_PRECONDITION: status.FAILED_PRECONDITION,
  RATE_LIMITED: status.RESOURCE_EXHAUSTED,
  UNSUPPORTED: status.UNIMPLEMENTED,
  UNAVAILABLE: status.UNAVAILABLE,
  DEADLINE_EXCEEDED: status.DEADLINE_EXCEEDED,
  CANCELLED: status.CANCELLED,
  UPSTREAM_ERROR: status.UNKNOWN,
  INTERNAL: status.INTERNAL,
};

/** What a gRPC failure without our details means: who sent it does not speak the protocol, or nobody answered at all. */
const BARE: ReadonlyMap<number, readonly [category: Category, code: string, retryable: boolean, message?: string]> =
  new Map([
    [status.UNAVAILABLE, ["UNAVAILABLE", "client.host.unreachable", true]],
    [status.DEADLINE_EXCEEDED, ["DEADLINE_EXCEEDED", "client.deadline.exceeded", true, "no answer came in time"]],
    [status.CANCELLED, ["CANCELLED", "client.call.cancelled", false, "the call is cancelled"]],
    [status.UNIMPLEMENTED, ["UNSUPPORTED", "client.method.unsupported", false]],
    [status.RESOURCE_EXHAUSTED, ["RATE_LIMITED", "client.message.refused", false]],
    [status.UNAUTHENTICATED, ["UNAUTHENTICATED", "client.credential.refused", false]],
    [status.PERMISSION_DENIED, ["PERMISSION_DENIED", "client.permission.denied", false]],
    [status.INVALID_ARGUMENT, ["INVALID_ARGUMENT", "client.request.refused", false]],
    [status.NOT_FOUND, ["NOT_FOUND", "client.target.unknown", false]],
  ]);

/** The envelope of an error. */
export function errorToWire(error: ModrackError): MessageInitShape<typeof ErrorSchema> {
  const details: Record<string, string> = {};
  for (const [key, text] of Object.entries(error.details)) details[key.toWellFormed()] = String(text).toWellFormed();
  return {
    category: CATEGORIES.indexOf(error.category) + 1,
    code: error.code.toWellFormed(),
    message: error.message.toWellFormed(),
    origin: ORIGINS.indexOf(error.origin) + 1,
    retryable: error.retryable,
    traceId: error.traceId,
    retryAfterMs: Math.max(0, Math.round(error.retryAfterMs)),
    details,
  };
}

/** The gRPC status that an error ends a call with; the trailer carries the envelope. */
export function errorToStatus(error: ModrackError): Partial<StatusObject> {
  const code = STATUS[error.category];
  const packed = anyPack(ErrorSchema, create(ErrorSchema, errorToWire(error)));
  const message = error.message.toWellFormed();
  const details = create(StatusDetailsSchema, { code, message, details: [packed] });
  const metadata = new Metadata();
  metadata.set(TRAILER, Buffer.from(toBinary(StatusDetailsSchema, details)));
  return { code, details: message, metadata };
}

/** The error of an envelope; an unknown category is INTERNAL, an unknown origin core. */
export function errorFromWire(error: WireError | undefined): ModrackError {
  if (error === undefined || error.code === "") {
    const message = error?.message || "a failure without an error";
    return new ModrackError("client.answer.invalid", message, { category: "INTERNAL" });
  }
  return new ModrackError(error.code, error.message, {
    category: CATEGORIES[error.category - 1] ?? "INTERNAL",
    origin: ORIGINS[error.origin - 1] ?? "core",
    retryable: error.retryable,
    traceId: error.traceId,
    retryAfterMs: error.retryAfterMs,
    details: error.details,
  });
}

/** The error of a failed gRPC call: what the trailer says, else what the bare status means. Others pass as they are. */
export function errorFromRpc(error: unknown): unknown {
  if (!isServiceError(error)) return error;
  const details = fromTrailer(error.metadata);
  if (details !== undefined) return errorFromWire(details);
  const bare = BARE.get(error.code) ?? (["INTERNAL", "client.rpc.failed", false] as const);
  const [category, code, retryable, message] = bare;
  const name = status[error.code] ?? String(error.code);
  const told = message ?? (error.details || name);
  return new ModrackError(code, told, { category, retryable, details: { grpc: name }, cause: error });
}

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && "code" in error && typeof error.code === "number" && "metadata" in error;
}

function fromTrailer(metadata: Metadata | undefined): WireError | undefined {
  const [bytes] = metadata?.get(TRAILER) ?? [];
  if (!(bytes instanceof Uint8Array)) return undefined;
  try {
    for (const detail of fromBinary(StatusDetailsSchema, bytes).details) {
      const error = anyUnpack(create(AnySchema, detail), ErrorSchema);
      if (error !== undefined) return error;
    }
  } catch {
    // A trailer that is no `StatusDetails` comes from somebody else; the bare status says what there is to say.
  }
  return undefined;
}
