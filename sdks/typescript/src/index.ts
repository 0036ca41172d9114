// The public API of `@modrack/sdk`. Exports only; importing it has no effect.

export type { EndpointInfo, ModuleEvent, ModuleInfo } from "./client/listing.js";
export type {
  BatchOptions,
  CallOptions,
  ClientOptions,
  PutOptions,
  RunsOptions,
  SchemaOptions,
  WaitOptions,
} from "./client/options.js";
export type {
  Attempt,
  CallRecord,
  Diagnostic,
  NodeRecord,
  PipelineCheck,
  PipelineNode,
  PipelinePlan,
  PipelineRun,
  Place,
  RunEvent,
  RunRecord,
  StoredPipeline,
} from "./client/pipelines.js";
export type { Pipeline, PipelineFile } from "./client/which.js";
export { Client } from "./client.js";
export { Codec } from "./codec/codec.js";
export { type CType, checkType, type Field, formatType } from "./codec/ctype.js";
export type { JsonValue } from "./codec/json.js";
export { type AnyValue, Float, Variant, variant } from "./codec/native.js";
export { parseType } from "./codec/parse.js";
export type { BatchContext, Context } from "./context.js";
export {
  CATEGORIES,
  type Category,
  CodecError,
  type ErrorFacts,
  ModrackError,
  ModuleError,
  type ModuleErrorFacts,
  type Origin,
  SchemaError,
} from "./errors.js";
export type { Logger } from "./logger.js";
export type { BatchHandler, Handler, ModuleSpec, StreamHandler, StreamSpec } from "./module.js";
export type { Plane } from "./provider/connection.js";
export { Provider, type ProviderOptions } from "./provider/provider.js";
export type { InputOf, OutputOf, Schema } from "./schema.js";
export { TypedModule, type TypedModuleSpec, TypedStream } from "./typed_module.js";
export {
  type Accepted,
  type Fields,
  type Infer,
  type InferUnion,
  type OptionType,
  type StreamType,
  type Type,
  t,
} from "./types.js";
export type { TlsFiles } from "./wire/secrets.js";
