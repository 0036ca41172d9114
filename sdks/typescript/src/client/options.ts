// What callers may say of a client, a call or a batch. Types only.

import type { TlsFiles } from "../wire/secrets.js";

/** How a client reaches its host. */
export interface ClientOptions extends TlsFiles {
  /** `http://127.0.0.1:7420`, `https://modrack.example:7420` or `unix:/path/to.sock`. Default: `MODRACK_HOST`. */
  host?: string;
  /** Milliseconds that each wait takes at most. Default: 30 000. */
  timeoutMs?: number;
  /** File with the client's token, where the host asks for one. Default: `MODRACK_TOKEN_FILE`, else none. */
  tokenFile?: string;
}

/** How long a question to the host may take. */
export interface WaitOptions {
  /** Milliseconds. Default: that of the client. */
  timeoutMs?: number;
  /** Gives up when it fires; a call's handler is cancelled then. */
  signal?: AbortSignal;
}

/** How modules are called. */
export interface SchemaOptions extends WaitOptions {
  /**
   * The fingerprint that the module must have: where it has another, the call fails with `registry.schema.changed` and
   * nothing runs. Default: that of the typed module; by name, that of the types which the host told last.
   */
  schemaFingerprint?: string;
}

/** How a call is made. */
export interface CallOptions extends SchemaOptions {
  /** Equal for calls that must have one effect. */
  idempotencyKey?: string;
}

/** How a batch is made. */
export interface BatchOptions extends SchemaOptions {
  /** One per input; equal for calls that must have one effect, empty for none. */
  idempotencyKeys?: readonly string[];
}

/** How a pipeline is stored. */
export interface PutOptions extends WaitOptions {
  /** The hash of the plan that must be there, or `new` where there must be none; else `pipeline.plan.changed`. */
  replaces?: string;
  /** Store it also where callers of the present one would no longer fit. */
  allowBreaking?: boolean;
}

/** Which runs to list. */
export interface RunsOptions extends WaitOptions {
  /** Only those of this stored pipeline. */
  pipeline?: string;
  /** Most runs in the answer. Default: 100. */
  limit?: number;
}
