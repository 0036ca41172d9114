// The text of a type to the type, by the grammar of `docs/codec.md`. Checks the rules too; knows no values.

import { SchemaError } from "../errors.js";
import { type CType, checkType, type Field, MAX_TYPE_DEPTH } from "./ctype.js";

/** Brackets that may be open at once: every legal type needs fewer, and the parser's own stack stays small. */
const MAX_OPEN = 4 * MAX_TYPE_DEPTH;

const TOKEN = /[ \t\r\n]*(?:([A-Za-z_][A-Za-z0-9_-]*)|([<>{}(),:|])|$)/y;

const SCALARS: ReadonlyMap<string, CType> = new Map([
  ["String", { kind: "string" }],
  ["Int", { kind: "int" }],
  ["Float", { kind: "float" }],
  ["Bool", { kind: "bool" }],
  ["Boolean", { kind: "bool" }],
  ["Bytes", { kind: "bytes" }],
  ["Any", { kind: "any" }],
]);

/**
 * The type that a text describes, e.g. `{text: String, limit: Option<Int>}`. Cost: linear in the text.
 *
 * @throws SchemaError with `type.syntax`, or with the code of the rule that the type breaks.
 */
export function parseType(text: string): CType {
  const parser = new Parser(text);
  const type = parser.union();
  parser.end();
  checkType(type);
  return type;
}

class Parser {
  #at = 0;
  #open = 0;
  #token = "";

  constructor(readonly text: string) {
    this.#advance();
  }

  union(): CType {
    const first = this.#prim();
    if (this.#token !== "|") return first;
    const variants = [first];
    while (this.#eat("|")) variants.push(this.#prim());
    return { kind: "union", variants };
  }

  end(): void {
    if (this.#token !== "") throw this.#unexpected("the end");
  }

  #prim(): CType {
    if (this.#open >= MAX_OPEN) throw new SchemaError("type.depth", "too many brackets inside each other");
    this.#open += 1;
    const type = this.#bracketed();
    this.#open -= 1;
    return type;
  }

  #bracketed(): CType {
    if (this.#eat("(")) {
      const type = this.union();
      this.#expect(")");
      return type;
    }
    if (this.#eat("{")) return { kind: "record", fields: this.#fields() };
    const name = this.#token;
    const scalar = SCALARS.get(name);
    if (scalar !== undefined) {
      this.#advance();
      return scalar;
    }
    switch (name) {
      case "List":
        return { kind: "list", item: this.#argument() };
      case "Option":
      case "Optional":
        return { kind: "option", item: this.#argument() };
      case "Map": {
        this.#advance();
        this.#expect("<");
        const key = this.union();
        this.#expect(",");
        const value = this.union();
        this.#expect(">");
        return { kind: "map", key, value };
      }
      default:
        throw this.#unexpected("a type");
    }
  }

  #argument(): CType {
    this.#advance();
    this.#expect("<");
    const type = this.union();
    this.#expect(">");
    return type;
  }

  #fields(): Field[] {
    const fields: Field[] = [];
    while (!this.#eat("}")) {
      if (fields.length > 0) {
        this.#expect(",");
        if (this.#eat("}")) break;
      }
      const name = this.#token;
      if (!/^[A-Za-z_]/.test(name)) throw this.#unexpected("a field name");
      this.#advance();
      this.#expect(":");
      fields.push({ name, type: this.union() });
    }
    return fields;
  }

  #eat(token: string): boolean {
    if (this.#token !== token) return false;
    this.#advance();
    return true;
  }

  #expect(token: string): void {
    if (!this.#eat(token)) throw this.#unexpected(`\`${token}\``);
  }

  #advance(): void {
    TOKEN.lastIndex = this.#at;
    const match = TOKEN.exec(this.text);
    if (match === null) {
      const rest = this.text.slice(this.#at).trimStart();
      throw new SchemaError(
        "type.syntax",
        `unexpected \`${String.fromCodePoint(rest.codePointAt(0) ?? 0)}\` in a type`,
      );
    }
    this.#at = TOKEN.lastIndex;
    this.#token = match[1] ?? match[2] ?? "";
  }

  #unexpected(wanted: string): SchemaError {
    const found = this.#token === "" ? "the end" : `\`${this.#token}\``;
    return new SchemaError(
      "type.syntax",
      `expected ${wanted}, found ${found}, before character ${this.#at} of the type`,
    );
  }
}
