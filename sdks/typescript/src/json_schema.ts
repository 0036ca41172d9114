// JSON Schema, as Standard Schema libraries export it, to types. Knows no validation: the library keeps that.

import { type CType, checkType, type Field, formatType } from "./codec/ctype.js";
import { SchemaError } from "./errors.js";

type Schema = Readonly<Record<string, unknown>>;

const SCALARS: ReadonlyMap<unknown, CType> = new Map([
  ["string", { kind: "string" }],
  ["integer", { kind: "int" }],
  ["number", { kind: "float" }],
  ["boolean", { kind: "bool" }],
]);

/**
 * The type of a JSON Schema 2020-12. `integer` is Int and `number` is Float; a property that is not required is an
 * Option, and so is what may be null; `additionalProperties` alone is a `Map<String, T>`; a tuple is a list of the union
 * of its items. Constraints are not part of a type.
 *
 * @throws SchemaError with `type.unsupported` for what no type can say: recursion, null alone, conditions.
 */
export function typeOfJsonSchema(schema: Schema): CType {
  const type = new Converter(schema).convert(schema, "");
  checkType(type);
  return type;
}

class Converter {
  readonly #open = new Set<string>();

  constructor(readonly root: Schema) {}

  convert(schema: unknown, path: string): CType {
    if (schema === true) return { kind: "any" };
    if (!isSchema(schema)) throw unsupported("what matches nothing is no type", path);
    const reference = schema["$ref"];
    if (typeof reference === "string") return this.#reference(reference, path);
    for (const word of ["anyOf", "oneOf"]) {
      const variants = schema[word];
      if (Array.isArray(variants)) return this.#anyOf(variants, path);
    }
    if (Array.isArray(schema["allOf"])) return this.#allOf(schema["allOf"], path);
    for (const word of ["not", "if"]) if (word in schema) throw unsupported(`\`${word}\` is no type`, path);
    if ("const" in schema) return this.#literals([schema["const"]], path);
    if (Array.isArray(schema["enum"])) return this.#literals(schema["enum"], path);
    const type = schema["type"];
    if (Array.isArray(type)) {
      return this.#anyOf(
        type.map((one: unknown) => ({ ...schema, type: one })),
        path,
      );
    }
    return this.#named(schema, type, path);
  }

  #named(schema: Schema, type: unknown, path: string): CType {
    const scalar = SCALARS.get(type);
    if (scalar !== undefined) return scalar;
    if (type === "array") return this.#array(schema, path);
    if (type === "object") return this.#object(schema, path);
    if (type === "null") throw unsupported("null alone is no type", path);
    return { kind: "any" };
  }

  #reference(reference: string, path: string): CType {
    if (this.#open.has(reference)) throw unsupported("a type cannot contain itself", path);
    let target: unknown = reference.startsWith("#") ? this.root : undefined;
    for (const part of reference.split("/").slice(1)) {
      const name = part.replaceAll("~1", "/").replaceAll("~0", "~");
      target = isSchema(target) && Object.hasOwn(target, name) ? target[name] : undefined;
    }
    if (target === undefined || target === this.root) throw unsupported(`\`${reference}\` cannot be followed`, path);
    this.#open.add(reference);
    const type = this.convert(target, path);
    this.#open.delete(reference);
    return type;
  }

  #anyOf(variants: readonly unknown[], path: string): CType {
    const present = variants.filter((variant) => !isNull(variant));
    const types = present.map((variant, i) => this.convert(variant, `${path}|${i}`));
    return optionalWhen(present.length < variants.length, unionOf(types, path));
  }

  #literals(values: readonly unknown[], path: string): CType {
    const types = values
      .filter((literal) => literal !== null)
      .map((literal): CType => {
        if (typeof literal === "string") return { kind: "string" };
        if (typeof literal === "boolean") return { kind: "bool" };
        if (typeof literal === "number") return { kind: Number.isInteger(literal) ? "int" : "float" };
        throw unsupported("a literal is a string, a number or a boolean", path);
      });
    return optionalWhen(types.length < values.length, unionOf(types, path));
  }

  #allOf(parts: readonly unknown[], path: string): CType {
    const types = parts.map((part) => this.convert(part, path));
    const fields = new Map<string, Field>();
    for (const type of types) {
      if (type.kind !== "record") {
        if (types.length === 1) return type;
        throw unsupported("an intersection of anything but objects is no type", path);
      }
      for (const field of type.fields) fields.set(field.name, field);
    }
    return { kind: "record", fields: [...fields.values()] };
  }

  #array(schema: Schema, path: string): CType {
    const items: unknown[] = Array.isArray(schema["prefixItems"]) ? [...schema["prefixItems"]] : [];
    if (schema["items"] !== undefined && schema["items"] !== false) items.push(schema["items"]);
    if (items.length === 0) return { kind: "list", item: { kind: "any" } };
    const types = items.map((item) => this.convert(item, `${path}[]`));
    return { kind: "list", item: unionOf(types, `${path}[]`) };
  }

  #object(schema: Schema, path: string): CType {
    const properties = schema["properties"];
    if (isSchema(properties)) {
      const required = new Set(Array.isArray(schema["required"]) ? schema["required"] : []);
      const fields = Object.entries(properties).map(([name, property]): Field => {
        const type = this.convert(property, `${path}.${name}`);
        if (required.has(name)) return { name, type };
        return {
          name,
          type: type.kind === "option" ? { kind: "option", item: type.item } : { kind: "option", item: type },
        };
      });
      return { kind: "record", fields };
    }
    const rest = schema["additionalProperties"];
    const value = isSchema(rest) ? this.convert(rest, `${path}{}`) : ({ kind: "any" } as const);
    return { kind: "map", key: { kind: "string" }, value, native: "object" };
  }
}

/** The union of these types, each once; options among them make the whole an option. */
function unionOf(types: readonly CType[], path: string): CType {
  const variants = new Map<string, CType>();
  let optional = false;
  const add = (type: CType): void => {
    if (type.kind === "union") type.variants.forEach(add);
    else if (type.kind === "option") {
      optional = true;
      add(type.item);
    } else variants.set(formatType(type), type);
  };
  types.forEach(add);
  const [first, ...others] = variants.values();
  if (first === undefined) throw unsupported("null alone is no type", path);
  const union: CType = others.length === 0 ? first : { kind: "union", variants: [first, ...others], native: "first" };
  return optionalWhen(optional, union);
}

function optionalWhen(optional: boolean, type: CType): CType {
  return optional && type.kind !== "option" ? { kind: "option", item: type, native: "null" } : type;
}

function isNull(schema: unknown): boolean {
  return isSchema(schema) && (schema["type"] === "null" || ("const" in schema && schema["const"] === null));
}

function isSchema(schema: unknown): schema is Schema {
  return typeof schema === "object" && schema !== null && !Array.isArray(schema);
}

function unsupported(why: string, path: string): SchemaError {
  return new SchemaError("type.unsupported", why, path);
}
