// What authors write types with: `t.*`, with the static types of the values inferred. Holds no codec.

import type { StandardSchemaV1 } from "@standard-schema/spec";

import { type CType, checkType, formatType } from "./codec/ctype.js";
import type { AnyValue, Float, Variant } from "./codec/native.js";

/** The JavaScript kinds of values, by which the variants of a union are told apart. */
type Kind = "string" | "number" | "bigint" | "boolean" | "bytes" | "array" | "map" | "object" | "nothing";

declare const value: unique symbol;
declare const accepted: unique symbol;
declare const kind: unique symbol;

/**
 * A type of Modrack. A value that comes in is a `T`; a value that goes out may be any `A`, which is `T` and what can
 * stand for it. Made by {@link t}.
 */
export class Type<out T, out A = T, out K extends Kind = Kind> {
  /** For the compiler only. */
  declare readonly [value]: T;
  /** For the compiler only. */
  declare readonly [accepted]: A;
  /** For the compiler only. */
  declare readonly [kind]: K;

  constructor(
    /** The type as data. */
    readonly ctype: CType,
  ) {}

  /** The type's text, e.g. `List<Int>`. */
  toString(): string {
    return formatType(this.ctype);
  }
}

/** The type of values that may be missing. In a record, a missing field is left out. */
export class OptionType<out T, out A = T, out K extends Kind = Kind> extends Type<
  T | undefined,
  A | null | undefined,
  K | "nothing"
> {
  /** For the compiler only: tells it from a `Type` whose values may be `undefined`. */
  declare readonly option: true;
}

/**
 * Many values of one type, one after the other: the output of a module that streams. No {@link Type}: it stands alone, as an
 * output. Made by `t.stream`.
 */
export class StreamType<out S> {
  /** Tells it from the fields of a record. */
  readonly kind = "stream";

  constructor(
    /** What an item is declared as. */
    readonly item: S,
  ) {}
}

/** The fields of a record by name, in the order in which they are declared. */
export type Fields = Readonly<Record<string, Type<unknown>>>;

/** The values of a type as they come in. */
export type Infer<X> = X extends Type<infer T, unknown> ? T : X extends Fields ? InferFields<X> : never;

/** The values that are accepted for a type where they go out. */
export type Accepted<X> = X extends Type<unknown, infer A> ? A : X extends Fields ? AcceptedFields<X> : never;

type OptionalNames<F extends Fields> = {
  [N in keyof F]: F[N] extends OptionType<unknown> ? N : never;
}[keyof F];

type Simplify<T> = { [N in keyof T]: T[N] } & {};

/** The object that a record with these fields is: fields of type Option are optional properties. */
export type InferFields<F extends Fields> = Simplify<
  { [N in Exclude<keyof F, OptionalNames<F>>]: Infer<F[N]> } & { [N in OptionalNames<F>]?: Infer<F[N]> }
>;

/** The objects that are accepted for a record with these fields. */
export type AcceptedFields<F extends Fields> = Simplify<
  { readonly [N in Exclude<keyof F, OptionalNames<F>>]: Accepted<F[N]> } & {
    readonly [N in OptionalNames<F>]?: Accepted<F[N]>;
  }
>;

type KindOf<X> = X extends Type<unknown, unknown, infer K> ? K : never;

/** Whether two of these variants share a kind, or one may be nothing, so that a value may not tell which one it is. */
type Ambiguous<V extends readonly Type<unknown>[]> = V extends readonly [
  infer First,
  ...infer Rest extends readonly Type<unknown>[],
]
  ? [Extract<KindOf<First>, KindOf<Rest[number]> | "nothing">] extends [never]
    ? Ambiguous<Rest>
    : true
  : false;

/** The values of a union; wrapped in a `Variant` where two variants could be confused and the value does not tell. */
export type InferUnion<V extends readonly Type<unknown>[]> =
  | Infer<V[number]>
  | (Ambiguous<V> extends true ? Variant<Infer<V[number]>> : never);

/** The types that the key of a map may have. */
export type KeyType = Type<string | number | bigint | boolean>;

type MapKinds<K> = K extends Type<string> ? "map" | "object" : "map";

/**
 * The types of Modrack. Each is a {@link Type}; `Infer<typeof x>` is the type of its values.
 *
 * ```ts
 * const Order = t.record({ id: t.string, lines: t.list(t.int), note: t.option(t.string) });
 * type Order = Infer<typeof Order>; // { id: string; lines: (number | bigint)[]; note?: string | undefined }
 * ```
 */
export const t = {
  /** UTF-8 text: `string`, without lone surrogates. */
  string: new Type<string, string, "string">({ kind: "string" }),
  /** A 64-bit integer: `number` within ±(2^53 − 1), `bigint` beyond. Either is accepted. */
  int: new Type<number | bigint, number | bigint, "number" | "bigint">({ kind: "int" }),
  /** A 64-bit integer that comes as a `bigint` always. To everybody else it is the type of {@link t.int}. */
  bigint: new Type<bigint, number | bigint, "number" | "bigint">({ kind: "int", native: "bigint" }),
  /** A float64: `number`. */
  float: new Type<number, number | Float, "number">({ kind: "float" }),
  /** `boolean`. */
  bool: new Type<boolean, boolean, "boolean">({ kind: "bool" }),
  /** `Uint8Array`, of which a `Buffer` is one. */
  bytes: new Type<Uint8Array, Uint8Array, "bytes">({ kind: "bytes" }),
  /** Any value; {@link AnyValue} says how each is shown. */
  any: new Type<AnyValue>({ kind: "any" }),

  /** `T[]`. */
  list<T, A, K extends Kind>(item: Type<T, A, K>): Type<T[], readonly A[], "array"> {
    return checked({ kind: "list", item: item.ctype });
  },

  /**
   * `Map<K, V>`. Keys are of the type `t.string`, `t.int`, `t.bigint` or `t.bool`. What comes in is always a `Map`, for
   * which `__proto__` is a key like any other; where keys are strings, a plain object is accepted as well.
   *
   * @throws SchemaError with `type.map.key`.
   */
  map<K extends KeyType, T, A, KV extends Kind>(
    key: K,
    item: Type<T, A, KV>,
  ): Type<
    Map<Infer<K>, T>,
    ReadonlyMap<Accepted<K>, A> | (K extends Type<string> ? { readonly [key: string]: A } : never),
    MapKinds<K>
  > {
    return checked({ kind: "map", key: key.ctype, value: item.ctype });
  },

  /**
   * An object with these fields. Fields of type Option may be left out; undeclared properties are ignored.
   *
   * @throws SchemaError with `type.field.name`.
   */
  record<F extends Fields>(fields: F): Type<InferFields<F>, AcceptedFields<F>, "object"> {
    return checked(recordOf(fields));
  },

  /**
   * One of several types. A value is given as it is where exactly one variant fits, else as `variant(i, value)`.
   *
   * @throws SchemaError with `type.union.nested` or `type.union.duplicate`.
   */
  union<V extends readonly [Type<unknown>, Type<unknown>, ...Type<unknown>[]]>(
    ...variants: V
  ): Type<InferUnion<V>, Accepted<V[number]> | Variant<Accepted<V[number]>>, KindOf<V[number]>> {
    return checked({ kind: "union", variants: variants.map((variant) => variant.ctype) });
  },

  /**
   * A value or nothing: `T | undefined`; `null` is accepted as nothing.
   *
   * @throws SchemaError with `type.option.nested`.
   */
  option<T, A, K extends Kind>(item: Type<T, A, K>): OptionType<T, A, K> {
    const ctype: CType = { kind: "option", item: item.ctype };
    checkType(ctype);
    return new OptionType(ctype);
  },

  /**
   * Any number of items, one after the other, as the output of a module. An item is a type, the fields of a record, or a
   * schema of zod or another library.
   */
  stream<const S extends Type<unknown> | Fields | StandardSchemaV1>(item: S): StreamType<S> {
    return new StreamType(item);
  },
} as const;

/** The record type of these fields; its rules are not checked. */
export function recordOf(fields: Fields): CType {
  return { kind: "record", fields: Object.entries(fields).map(([name, type]) => ({ name, type: type.ctype })) };
}

function checked<T, A, K extends Kind>(ctype: CType): Type<T, A, K> {
  checkType(ctype);
  return new Type(ctype);
}
