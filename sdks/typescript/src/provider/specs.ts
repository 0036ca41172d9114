// What a provider says of itself on the wire. Builds messages; sends none.

import { create } from "@bufbuild/protobuf";

import {
  type DataPlane,
  type ModuleSpec,
  ModuleSpecSchema,
  type ProviderInfo,
  ProviderInfoSchema,
  type RegisterRequest,
  RegisterRequestSchema,
} from "../generated/modrack/provider/v1/registry.js";
import type { Module } from "../module.js";
import { VERSION } from "../version.js";
import { secretOf } from "../wire/secrets.js";
import { typeToWire } from "../wire/types.js";

const PROTOCOL_VERSION = 1;

/** Who a provider is, the same on every registration. */
export interface Identity {
  readonly serviceId: string;
  readonly namespace: string;
  /** Empty without replicas. */
  readonly groupId: string;
  /** Empty without a credential. Read anew for each registration, so that the credential can be rotated. */
  readonly credentialFile: string;
  readonly allowBreaking: boolean;
}

/** What concerns the way of one registration. */
export interface Registration {
  readonly planes: readonly DataPlane[];
  /** Empty but for the unary plane. */
  readonly serviceUrl: string;
  /** Empty for a first registration. */
  readonly sessionToken: string;
}

/** The registration of one module. */
export function moduleSpec(module: Module): ModuleSpec {
  return create(ModuleSpecSchema, {
    name: module.name,
    description: module.description,
    input: typeToWire(module.input.type),
    output: typeToWire(module.output.type),
    version: module.version,
    capabilities: { idempotent: module.idempotent, batch: module.kind === "batch", stream: module.kind === "stream" },
    examples: module.examples.map(([inputData, outputData]) => ({ inputData, outputData })),
  });
}

/** Facts about this process. */
export function providerInfo(): ProviderInfo {
  return create(ProviderInfoSchema, { language: "typescript", sdk: `@modrack/sdk ${VERSION}`, pid: process.pid });
}

/**
 * The registration of a provider.
 *
 * @throws ModrackError with `client.credential.unreadable`.
 */
export function registerRequest(
  identity: Identity,
  modules: Iterable<Module>,
  registration: Registration,
): RegisterRequest {
  const { serviceId, namespace, groupId, allowBreaking } = identity;
  return create(RegisterRequestSchema, {
    serviceId,
    namespace,
    groupId,
    allowBreaking,
    modules: Array.from(modules, moduleSpec),
    protocolVersion: PROTOCOL_VERSION,
    planes: [...registration.planes],
    serviceUrl: registration.serviceUrl,
    sessionToken: registration.sessionToken,
    credential: identity.credentialFile === "" ? "" : secretOf(identity.credentialFile, "the credential"),
    lifecycle: registration.serviceUrl !== "",
    info: providerInfo(),
  });
}
