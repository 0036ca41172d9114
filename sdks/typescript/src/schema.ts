// What a module's input or output may be declared as, and the one form that the rest of the package uses. Runs no handler.

import type { StandardJSONSchemaV1, StandardSchemaV1 } from "@standard-schema/spec";

import { type CType, checkType } from "./codec/ctype.js";
import { SchemaError } from "./errors.js";
import { typeOfJsonSchema } from "./json_schema.js";
import {
  type Accepted,
  type AcceptedFields,
  type Fields,
  type Infer,
  type InferFields,
  recordOf,
  Type,
} from "./types.js";

/** What an input or output is declared as: a type, the fields of a record, or the schema of zod or another library. */
export type Schema = Type<unknown> | Fields | StandardSchemaV1;

/** What a handler gets for an input of this schema. */
export type InputOf<S> =
  S extends Type<unknown>
    ? Infer<S>
    : S extends StandardSchemaV1
      ? StandardSchemaV1.InferOutput<S>
      : S extends Fields
        ? InferFields<S>
        : never;

/** What a handler may return for an output of this schema. */
export type OutputOf<S> =
  S extends Type<unknown>
    ? Accepted<S>
    : S extends StandardSchemaV1
      ? StandardSchemaV1.InferInput<S>
      : S extends Fields
        ? AcceptedFields<S>
        : never;

/** Checks a value beyond its type, and may change it: throws {@link Refused}, or a promise that does. */
export type Validate = (value: unknown) => unknown;

/** What a schema comes down to. */
export interface Resolved {
  readonly ctype: CType;
  /** Absent where the type says everything. */
  readonly validate?: Validate;
}

/** A value that the author's schema refuses. */
export class Refused extends Error {}

/**
 * The type of a schema and its own validation. For an input, the type is that of what the schema takes; for an output,
 * that of what it gives.
 *
 * @throws SchemaError with `type.unsupported` for a schema that exports no JSON Schema, or one that no type can say.
 */
export function resolve(schema: Schema, side: "input" | "output"): Resolved {
  if (schema instanceof Type) return { ctype: schema.ctype };
  if (isStandard(schema)) {
    return { ctype: standardType(schema, side), validate: (value) => validated(schema["~standard"], value) };
  }
  for (const [name, type] of Object.entries(schema)) {
    if (type instanceof Type) continue;
    const why = isStandard(type) ? "put the whole record into that schema" : "a field is a type like `t.string`";
    throw new SchemaError("type.unsupported", why, `.${name}`);
  }
  const ctype = recordOf(schema);
  checkType(ctype);
  return { ctype };
}

function isStandard(schema: unknown): schema is StandardSchemaV1 {
  const holder = typeof schema === "function" || (typeof schema === "object" && schema !== null) ? schema : {};
  return "~standard" in holder;
}

function standardType(schema: StandardSchemaV1, side: "input" | "output"): CType {
  const { vendor } = schema["~standard"];
  const { jsonSchema } = schema["~standard"] as Partial<StandardJSONSchemaV1["~standard"]>;
  if (jsonSchema === undefined) {
    const why = `this schema of \`${vendor}\` exports no JSON Schema (\`~standard.jsonSchema\`), so its type is not known; `;
    throw new SchemaError("type.unsupported", `${why}use \`t.*\`, or a library that does, such as zod`);
  }
  let exported: Record<string, unknown>;
  try {
    exported = jsonSchema[side]({ target: "draft-2020-12" });
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new SchemaError("type.unsupported", `\`${vendor}\` cannot show this schema as JSON Schema: ${why}`);
  }
  return typeOfJsonSchema(exported);
}

function validated(standard: StandardSchemaV1["~standard"], value: unknown): unknown {
  const result = standard.validate(value);
  return result instanceof Promise ? result.then(accept) : accept(result);
}

function accept(result: StandardSchemaV1.Result<unknown>): unknown {
  if (result.issues === undefined) return result.value;
  throw new Refused(result.issues.map(told).join("; "));
}

function told(issue: StandardSchemaV1.Issue): string {
  const path = (issue.path ?? []).map((step) => String(typeof step === "object" ? step.key : step)).join(".");
  return path === "" ? issue.message : `${path}: ${issue.message}`;
}
