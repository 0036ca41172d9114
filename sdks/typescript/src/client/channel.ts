// The way of clients to one host: its connection, its token, and the schemas that it told. Calls no module itself.

import { type ChannelCredentials, Metadata } from "@grpc/grpc-js";

import { called } from "../called.js";
import { Codec } from "../codec/codec.js";
import { ModrackError } from "../errors.js";
import { HostClient } from "../generated/modrack/host/v1/host.js";
import type { Trace } from "../telemetry.js";
import { type Address, CHANNEL_OPTIONS } from "../wire/address.js";
import { errorFromRpc } from "../wire/errors.js";
import type { TokenSource } from "../wire/secrets.js";
import { typeFromWire } from "../wire/types.js";
import { required } from "./listing.js";
import { Plans } from "./which.js";

/** The types of a module with the fingerprint that the host gave them. */
export interface Known {
  readonly fingerprint: string;
  readonly input: Codec;
  readonly output: Codec;
}

/** What every question to the host is asked with. */
export interface Ask {
  /** In milliseconds since the epoch. */
  readonly deadline: number;
  readonly signal: AbortSignal | undefined;
  readonly metadata: Metadata;
}

/** Where a question comes from: nothing for a program's own, the call that a handler answers for a nested one. */
export interface Scope extends Trace {
  /** No question lasts longer, in milliseconds since the epoch. */
  readonly deadline: number;
  /** Cancels every question when it fires. Asked for with each question. */
  readonly signal: AbortSignal | undefined;
}

/** The scope of a program's own questions. */
export const NO_SCOPE: Scope = {
  deadline: Number.POSITIVE_INFINITY,
  signal: undefined,
  traceparent: "",
  tracestate: "",
};

/** Shared by all clients of one host that are made from it. Opens its connection at the first question. */
export class HostChannel {
  /** By qualified name. */
  readonly known = new Map<string, Known>();
  readonly plans = new Plans();
  readonly #open: () => HostClient;
  readonly #token: TokenSource;
  #client: HostClient | undefined;
  #closed = false;

  /** @param credentials asked for when the connection is opened. */
  constructor(address: Address, credentials: () => ChannelCredentials, token: TokenSource) {
    this.#open = () => new HostClient(address.target, credentials(), CHANNEL_OPTIONS);
    this.#token = token;
  }

  /** @throws ModrackError with `client.call.cancelled` once it is closed. */
  get client(): HostClient {
    if (this.#closed)
      throw new ModrackError("client.call.cancelled", "the client is closed", { category: "CANCELLED" });
    this.#client ??= this.#open();
    return this.#client;
  }

  /** What goes out with a question of this trace. */
  metadata(trace: Trace): Metadata {
    const metadata = new Metadata();
    const token = this.#token.current();
    if (token !== "") metadata.set("authorization", `Bearer ${token}`);
    if (trace.traceparent !== "") metadata.set("traceparent", trace.traceparent);
    if (trace.tracestate !== "") metadata.set("tracestate", trace.tracestate);
    return metadata;
  }

  /** Whether a refused question is worth another try: the token was refused before anything ran, and there is a new one. */
  renews(error: unknown): boolean {
    return error instanceof ModrackError && error.category === "UNAUTHENTICATED" && this.#token.refresh();
  }

  /** The answer to a question, which is asked once more where {@link renews} says so. */
  async ask<T>(question: () => Promise<T>): Promise<T> {
    try {
      return await question();
    } catch (failure) {
      const error = called(errorFromRpc(failure));
      if (!this.renews(error)) throw error;
    }
    try {
      return await question();
    } catch (failure) {
      throw called(errorFromRpc(failure));
    }
  }

  /** Asks for a module's types, and keeps them. */
  async fetch(name: string, ask: () => Ask): Promise<Known> {
    const answer = await this.ask(() => this.client.getModule({ name }, ask()));
    const module = required(answer.module);
    const known: Known = {
      fingerprint: module.schemaFingerprint,
      input: new Codec(typeFromWire(module.input)),
      output: new Codec(typeFromWire(module.output)),
    };
    this.known.set(name, known);
    return known;
  }

  close(): void {
    this.#closed = true;
    this.#client?.close();
  }
}
