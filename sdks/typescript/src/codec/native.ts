// The JavaScript values that stand for what JavaScript lacks: a chosen variant, and an integral float in an Any.

/** A value of a union together with the position of its variant. Use it where the value alone does not tell. */
export class Variant<out T = unknown> {
  constructor(
    /** Position of the variant in the declared union, from 0. */
    readonly index: number,
    /** The value of that variant. */
    readonly value: T,
  ) {}
}

/** `variant(1, value)`: the value as the second variant of a union. */
export function variant<T>(index: number, value: T): Variant<T> {
  return new Variant(index, value);
}

/**
 * A Float whose value is integral. In an Any, `5` is an Int; `new Float(5)` is the Float, and is what a decoder gives
 * for it, so that an Any comes back from JavaScript as it went in. It is accepted wherever Float is declared, and
 * computes like a number.
 */
export class Float {
  constructor(readonly value: number) {}

  valueOf(): number {
    return this.value;
  }

  toString(): string {
    return String(this.value);
  }

  toJSON(): number {
    return this.value;
  }
}

/**
 * A value of the type Any. Strings, booleans, `null`, arrays and bytes are themselves; integers are numbers, or bigints
 * beyond ±(2^53 − 1); floats are numbers, or {@link Float} where the value is integral and within that range; maps with
 * string keys are objects without a prototype, maps with other keys are `Map`s.
 */
export type AnyValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | Float
  | AnyValue[]
  | { [key: string]: AnyValue }
  | Map<string, AnyValue>
  | Map<number | bigint, AnyValue>
  | Map<boolean, AnyValue>;

/** Whether a value is an object that can stand for a record: no array, no `Map`, no bytes, none of this file's. */
export function isRecordLike(value: unknown): value is Record<string, unknown> {
  return (
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Map) &&
    !(value instanceof Set) &&
    !(value instanceof Variant) &&
    !(value instanceof Float) &&
    !(value instanceof Date) &&
    !ArrayBuffer.isView(value) &&
    !(value instanceof ArrayBuffer)
  );
}

/** Whether a value is an object that can stand for a map: an object literal, or one without a prototype. */
export function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** A field of a record. Names that every object inherits (`constructor`) count only where the object has them itself. */
export function fieldOf(value: Record<string, unknown>, name: string): unknown {
  return name in Object.prototype && !Object.hasOwn(value, name) ? undefined : value[name];
}

/** Sets a field so that `__proto__` is a field like any other. */
export function setField(target: Record<string, unknown>, name: string, value: unknown): void {
  if (name === "__proto__") {
    Object.defineProperty(target, name, { value, writable: true, enumerable: true, configurable: true });
  } else {
    target[name] = value;
  }
}

/** What a value is, for messages: `a string`, `null`, `a Date`. */
export function told(value: unknown): string {
  if (value === null) return "null";
  if (value === undefined) return "nothing";
  if (typeof value !== "object") return `a ${typeof value}`;
  const name: unknown = (value as { constructor?: { name?: unknown } }).constructor?.name;
  return typeof name === "string" && name !== "" && name !== "Object" ? `a \`${name}\`` : "an object";
}
