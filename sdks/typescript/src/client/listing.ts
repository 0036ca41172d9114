// What clients are told of modules, from the host's messages. Asks nothing itself.

import { formatType } from "../codec/ctype.js";
import { ModrackError } from "../errors.js";
import { type Endpoint, type Module, SessionState, type WatchResponse } from "../generated/modrack/host/v1/host.js";
import { DataPlane } from "../generated/modrack/provider/v1/registry.js";
import { typeFromWire } from "../wire/types.js";

/** A registered module. */
export interface ModuleInfo {
  /** Qualified name, `namespace.Name`. */
  readonly name: string;
  readonly description: string;
  /** Type of the input as text, e.g. `{text: String}`. */
  readonly input: string;
  /** Type of the output as text; of one item where the module streams. */
  readonly output: string;
  readonly version: string;
  /** Rises by one with each replacement; starts at 1. */
  readonly revision: bigint;
  /** SHA-256 of both types, in hex. */
  readonly fingerprint: string;
  readonly idempotent: boolean;
  /** Whether it is called by `stream` instead of `call`. */
  readonly streams: boolean;
  /** Whether it takes several inputs at once itself. `callBatch` works either way. */
  readonly batches: boolean;
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

/** The module of an answer that must hold one. */
export function required(module: Module | undefined): Module {
  if (module !== undefined) return module;
  throw new ModrackError("client.answer.invalid", "the host answered without a module", { category: "INTERNAL" });
}

/** What a client is told of a module. */
export function moduleInfo(module: Module): ModuleInfo {
  return {
    name: module.name,
    description: module.description,
    input: formatType(typeFromWire(module.input)),
    output: formatType(typeFromWire(module.output)),
    version: module.version,
    revision: module.revision,
    fingerprint: module.schemaFingerprint,
    idempotent: module.capabilities?.idempotent ?? false,
    streams: module.capabilities?.stream ?? false,
    batches: module.capabilities?.batch ?? false,
    endpoints: module.endpoints.map(endpointInfo),
  };
}

/** The change that an event tells; `undefined` for one that this version does not know. */
export function moduleEvent({ event }: WatchResponse): ModuleEvent | undefined {
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
