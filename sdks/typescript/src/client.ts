// Calls modules through the host. Serves nothing.
//
// The schema of a module is fetched at its first call and kept; inputs are encoded by it, and the host is told which schema
// that was. When the module has been replaced since, it is fetched again and the call sent once more, before anything has run.

import { Codec } from "./codec/codec.js";
import { formatType } from "./codec/ctype.js";
import { ModrackError } from "./errors.js";
import {
  type Endpoint,
  HostClient,
  type Module,
  SessionState,
  type WatchResponse,
} from "./generated/modrack/host/v1/host.js";
import { DataPlane } from "./generated/modrack/provider/v1/registry.js";
import type { TypedModule } from "./typed_module.js";
import { CHANNEL_OPTIONS, credentialsOf, findAddress } from "./wire/address.js";
import { errorFromRpc } from "./wire/errors.js";
import { typeFromWire } from "./wire/types.js";

/** Milliseconds that a wait takes at most where the caller says nothing. */
const DEFAULT_TIMEOUT_MS = 30_000;

/** How a client reaches its host. */
export interface ClientOptions {
  /** `http://127.0.0.1:7420` or `unix:/path/to.sock`. Default: `MODRACK_HOST`. */
  host?: string;
  /** Milliseconds that each wait takes at most. Default: 30 000. */
  timeoutMs?: number;
}

/** How long a question to the host may take. */
export interface WaitOptions {
  /** Milliseconds. Default: that of the client. */
  timeoutMs?: number;
  /** Gives up when it fires; a call's handler is cancelled then. */
  signal?: AbortSignal;
}

/** How a call is made. */
export interface CallOptions extends WaitOptions {
  /** Equal for calls that must have one effect. */
  idempotencyKey?: string;
}

/** A registered module. */
export interface ModuleInfo {
  /** Qualified name, `namespace.Name`. */
  readonly name: string;
  readonly description: string;
  /** Type of the input as text, e.g. `{text: String}`. */
  readonly input: string;
  /** Type of the output as text. */
  readonly output: string;
  readonly version: string;
  /** Rises by one with each replacement; starts at 1. */
  readonly revision: bigint;
  /** SHA-256 of both types, in hex. */
  readonly fingerprint: string;
  readonly idempotent: boolean;
  /** Who serves it: one, or one per replica. */
  readonly endpoints: readonly EndpointInfo[];
}

/** One session that provides a module. */
export interface EndpointInfo {
  readonly sessionId: string;
  readonly serviceId: string;
  /** Empty without replicas. */
  readonly groupId: string;
  /** `link`, `attach` or `unary`; `unspecified` while pending. */
  readonly plane: string;
  /** `pending`, `ready` or `draining`. */
  readonly state: string;
  readonly language: string;
  readonly pid: number;
}

/** One change of the registry. `synced` says that the present state is told. */
export type ModuleEvent =
  | { readonly kind: "added" | "changed"; readonly name: string; readonly module: ModuleInfo }
  | { readonly kind: "removed"; readonly name: string; readonly reason: string }
  | { readonly kind: "synced"; readonly modules: number };

interface Known {
  readonly fingerprint: string;
  readonly input: Codec;
  readonly output: Codec;
}

/**
 * Calls modules of one host. Opens its connection at the first call; `close` ends it. Every failure is a `ModrackError`.
 *
 * ```ts
 * const client = new Client({ host: "http://127.0.0.1:7420" });
 * const words = await client.call("text.WordCount", { text: "to be or not to be" });
 * client.close();
 * ```
 *
 * @throws ModrackError with `client.host.unset` or `client.host.invalid`.
 */
export class Client {
  readonly #client: HostClient;
  readonly #timeoutMs: number;
  readonly #known = new Map<string, Known>();

  constructor(options: ClientOptions = {}) {
    const address = findAddress(options.host);
    this.#client = new HostClient(address.target, credentialsOf(address), CHANNEL_OPTIONS);
    this.#timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  }

  /**
   * The output of a module, in the JavaScript form of its declared type. Maps come as `Map`, records as objects.
   *
   * @param name qualified, `namespace.Name`.
   * @param input the value of the declared input type; may be left out for a record without required fields.
   * @typeParam Output what the caller knows the output to be. It is not checked here: the host checks it against the module's type.
   * @throws ModrackError: what the module or the host answers, `client.deadline.exceeded`, `client.call.cancelled`,
   * `client.host.unreachable`; CodecError for an input that is not of the declared type.
   */
  async call<Output = unknown>(name: string, input: unknown = {}, options: CallOptions = {}): Promise<Output> {
    const deadline = Date.now() + (options.timeoutMs ?? this.#timeoutMs);
    const known = this.#known.get(name) ?? (await this.#fetch(name, deadline, options.signal));
    try {
      return (await this.#call(name, known, input, deadline, options)) as Output;
    } catch (error) {
      if (!(error instanceof ModrackError) || error.code !== "registry.schema.changed") throw error;
    }
    const fresh = await this.#fetch(name, deadline, options.signal);
    return (await this.#call(name, fresh, input, deadline, options)) as Output;
  }

  /**
   * The output of a module whose types the caller was written for, as generated bindings are. The host is not asked for them.
   *
   * @throws ModrackError as {@link call}; `registry.schema.changed` when the module has other types now: the caller must be
   * written, or generated, anew.
   */
  async callTyped<I, O>(module: TypedModule<I, O>, input: I, options: CallOptions = {}): Promise<O> {
    const deadline = Date.now() + (options.timeoutMs ?? this.#timeoutMs);
    // The codec gives values of the type that it is made of.
    return (await this.#call(module.name, module, input, deadline, options)) as O;
  }

  /** The modules whose names match, e.g. `text.*`, in ascending order; all without a pattern. */
  async listModules(pattern = "", options: WaitOptions = {}): Promise<ModuleInfo[]> {
    const wait = this.#wait(options);
    const modules: ModuleInfo[] = [];
    for (let pageToken = ""; ; ) {
      const page = await translated(this.#client.listModules({ pattern, pageToken }, wait));
      modules.push(...page.modules.map(moduleInfo));
      pageToken = page.nextPageToken;
      if (pageToken === "") return modules;
    }
  }

  /**
   * One module.
   *
   * @throws ModrackError with `registry.module.unknown`.
   */
  async getModule(name: string, options: WaitOptions = {}): Promise<ModuleInfo> {
    return moduleInfo(required((await translated(this.#client.getModule({ name }, this.#wait(options)))).module));
  }

  /**
   * The present modules, then `synced`, then each change. Lasts until the loop is left, the signal fires, `timeoutMs` is
   * over (without one there is no end) or the host goes away; all but the first throw.
   */
  async *watch(pattern = "", options: WaitOptions = {}): AsyncGenerator<ModuleEvent, void, undefined> {
    const { timeoutMs, signal } = options;
    const deadline = timeoutMs === undefined ? {} : { deadline: Date.now() + timeoutMs };
    const stream = this.#client.watch({ pattern }, { ...deadline, signal });
    try {
      for await (const event of stream as AsyncIterable<WatchResponse>) {
        const told = moduleEvent(event);
        if (told !== undefined) yield told;
      }
    } catch (error) {
      throw errorFromRpc(error);
    } finally {
      stream.cancel();
    }
  }

  /** Ends the connection; calls that run fail with `client.call.cancelled` or `client.host.unreachable`. */
  close(): void {
    this.#client.close();
  }

  #wait(options: WaitOptions): { deadline: number; signal: AbortSignal | undefined } {
    return { deadline: Date.now() + (options.timeoutMs ?? this.#timeoutMs), signal: options.signal };
  }

  /** Asks for a module's schema, and keeps it. */
  async #fetch(name: string, deadline: number, signal: AbortSignal | undefined): Promise<Known> {
    const answer = await translated(this.#client.getModule({ name }, { deadline, signal }));
    const module = required(answer.module);
    const known: Known = {
      fingerprint: module.schemaFingerprint,
      input: new Codec(typeFromWire(module.input)),
      output: new Codec(typeFromWire(module.output)),
    };
    this.#known.set(name, known);
    return known;
  }

  async #call(name: string, known: Known, input: unknown, deadline: number, options: CallOptions): Promise<unknown> {
    const request = {
      module: name,
      input: { case: "inputData", value: known.input.encode(input) } as const,
      schemaFingerprint: known.fingerprint,
      idempotencyKey: options.idempotencyKey ?? "",
    };
    const { output } = await translated(this.#client.call(request, { deadline, signal: options.signal }));
    if (output.case === "outputData") return known.output.decode(output.value);
    throw new ModrackError("client.answer.invalid", "the host answered without an output", { category: "INTERNAL" });
  }
}

async function translated<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    throw errorFromRpc(error);
  }
}

function required(module: Module | undefined): Module {
  if (module !== undefined) return module;
  throw new ModrackError("client.answer.invalid", "the host answered without a module", { category: "INTERNAL" });
}

function moduleInfo(module: Module): ModuleInfo {
  return {
    name: module.name,
    description: module.description,
    input: formatType(typeFromWire(module.input)),
    output: formatType(typeFromWire(module.output)),
    version: module.version,
    revision: module.revision,
    fingerprint: module.schemaFingerprint,
    idempotent: module.capabilities?.idempotent ?? false,
    endpoints: module.endpoints.map(endpointInfo),
  };
}

function endpointInfo(endpoint: Endpoint): EndpointInfo {
  return {
    sessionId: endpoint.sessionId,
    serviceId: endpoint.serviceId,
    groupId: endpoint.groupId,
    plane: (DataPlane[endpoint.plane] ?? "unspecified").toLowerCase(),
    state: (SessionState[endpoint.state] ?? "unspecified").toLowerCase(),
    language: endpoint.info?.language ?? "",
    pid: endpoint.info?.pid ?? 0,
  };
}

/** The change that an event tells; `undefined` for one that this version does not know. */
function moduleEvent({ event }: WatchResponse): ModuleEvent | undefined {
  switch (event.case) {
    case "added":
    case "changed": {
      const module = moduleInfo(required(event.value.module));
      return { kind: event.case, name: module.name, module };
    }
    case "removed":
      return { kind: "removed", name: event.value.name, reason: event.value.reason };
    case "synced":
      return { kind: "synced", modules: event.value.modules };
    default:
      return undefined;
  }
}
