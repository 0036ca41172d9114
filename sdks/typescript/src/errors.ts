// The one error envelope as JavaScript errors. Knows neither gRPC nor protobuf.

/** What kind of failure it is, in the order of `modrack.error.v1.Category`; decides the gRPC and the HTTP status. */
export const CATEGORIES = [
  "INVALID_ARGUMENT",
  "UNAUTHENTICATED",
  "PERMISSION_DENIED",
  "NOT_FOUND",
  "CONFLICT",
  "FAILED_PRECONDITION",
  "RATE_LIMITED",
  "UNSUPPORTED",
  "UNAVAILABLE",
  "DEADLINE_EXCEEDED",
  "CANCELLED",
  "UPSTREAM_ERROR",
  "INTERNAL",
] as const;

/** What kind of failure it is. Switch over it: `if (error.category === "NOT_FOUND") …`. */
export type Category = (typeof CATEGORIES)[number];

/** Which part failed: the function of a module, the host or an SDK, a middleware, or something that one depends on. */
export type Origin = "module" | "core" | "middleware" | "upstream";

/** What an error carries besides its code and message. */
export interface ErrorFacts {
  /** Default: `INTERNAL`. */
  category?: Category;
  /** Default: `core`. */
  origin?: Origin;
  /** Whether the same request may succeed later without change. Default: false. */
  retryable?: boolean;
  /** Finds the entry in the host's log. Default: empty. */
  traceId?: string;
  /** Milliseconds to wait before the next attempt; 0 where nothing is known, which is the default. */
  retryAfterMs?: number;
  /** Facts for programs, e.g. `path`, `module`. Default: none. */
  details?: Readonly<Record<string, string>>;
  /** The error that led to this one; never leaves the process. */
  cause?: unknown;
}

/** A failure with a stable code. Every failure that this package reports is one. */
export class ModrackError extends Error {
  /** What kind of failure it is. */
  readonly category: Category;
  /** Stable, dotted, lower case, e.g. `registry.module.unknown`. */
  readonly code: string;
  /** Which part failed. */
  readonly origin: Origin;
  /** Whether the same request may succeed later without change. */
  readonly retryable: boolean;
  /** Finds the entry in the host's log; empty where the failure is local. */
  readonly traceId: string;
  /** Milliseconds to wait before the next attempt; 0 where nothing is known. */
  readonly retryAfterMs: number;
  /** Facts for programs. */
  readonly details: Readonly<Record<string, string>>;

  constructor(code: string, message: string, facts: ErrorFacts = {}) {
    super(message, "cause" in facts ? { cause: facts.cause } : undefined);
    this.name = new.target.name;
    this.code = code;
    this.category = facts.category ?? "INTERNAL";
    this.origin = facts.origin ?? "core";
    this.retryable = facts.retryable ?? false;
    this.traceId = facts.traceId ?? "";
    this.retryAfterMs = facts.retryAfterMs ?? 0;
    this.details = { ...facts.details };
  }
}

/** What a `ModuleError` carries besides its code and message. */
export interface ModuleErrorFacts {
  /** Default: `UPSTREAM_ERROR`. */
  category?: Category;
  /** Whether the same call may succeed later without change. Default: false. */
  retryable?: boolean;
  /** Facts for the caller's program. Default: none. */
  details?: Readonly<Record<string, string>>;
}

/**
 * What a handler throws to answer with a code of its own. Code, message, category, `retryable` and details reach the
 * caller as they are. Codes that a module chooses begin with its namespace or with `module.`.
 *
 * ```ts
 * throw new ModuleError("text.too_long", "at most 10 characters", { category: "INVALID_ARGUMENT" });
 * ```
 *
 * @throws TypeError when the category is none of {@link CATEGORIES}.
 */
export class ModuleError extends ModrackError {
  constructor(code: string, message: string, facts: ModuleErrorFacts = {}) {
    const { category = "UPSTREAM_ERROR", retryable = false, details = {} } = facts;
    if (!CATEGORIES.includes(category)) {
      throw new TypeError(`\`${String(category)}\` is no category; one of ${CATEGORIES.join(", ")}`);
    }
    super(code, message, { category, retryable, details, origin: "module" });
  }
}

/** A value, its bytes or its JSON do not have the declared type. `path` leads to the fault, e.g. `.rows[3]|1`. */
export class CodecError extends ModrackError {
  /** What is wrong, without the path. */
  readonly reason: string;
  /** Where it is wrong; empty for the value as a whole. */
  readonly path: string;

  constructor(code: string, reason: string, path = "") {
    super(code, located(reason, path), { category: "INVALID_ARGUMENT", details: { path } });
    this.reason = reason;
    this.path = path;
  }
}

/** A type is refused: its text, its tree, or the schema that it was to be derived from. */
export class SchemaError extends ModrackError {
  /** What is wrong, without the path. */
  readonly reason: string;
  /** Where it is wrong; empty for the type as a whole. */
  readonly path: string;

  constructor(code: string, reason: string, path = "") {
    super(code, located(reason, path), { category: "INVALID_ARGUMENT", details: { path } });
    this.reason = reason;
    this.path = path;
  }
}

function located(reason: string, path: string): string {
  return path === "" ? reason : `${reason} at \`${path}\``;
}
