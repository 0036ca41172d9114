// Steps of the paths that refusals carry, and the fault that collects them on its way outwards. Formats only.

/** Longest part of a key that a path shows, in characters; keys come from the input and may be megabytes long. */
const SHOWN = 64;

const FIELD_NAME = /^[A-Za-z_][A-Za-z0-9_-]*$/;

/** Whether a text can name a field: an identifier of at most 128 bytes. */
export function isFieldName(name: string): boolean {
  return name.length <= 128 && FIELD_NAME.test(name);
}

/** The step into the value of a map's key: `{"key"}`, `{3}`, `{true}`. */
export function keyStep(key: unknown): string {
  if (typeof key !== "string") return `{${String(key)}}`;
  let shown = key;
  if (key.length > SHOWN) {
    const characters = [...key.slice(0, 2 * SHOWN + 2)];
    if (characters.length > SHOWN) shown = `${characters.slice(0, SHOWN).join("")}…`;
  }
  return `{${JSON.stringify(shown)}}`;
}

/** The step to a field that the input names: `.field`, or as a key where the name is no identifier. */
export function foundField(name: string): string {
  return isFieldName(name) ? `.${name}` : keyStep(name);
}

/**
 * A refusal on its way outwards; each container that it leaves adds its step. Not an `Error`: it never leaves the
 * codec, and hostile input must not cost a stack trace each.
 */
export class Fault {
  path = "";

  constructor(
    readonly code: string,
    readonly reason: string,
  ) {}
}

/** Adds the step that leads to the fault; anything else passes as it is. */
export function within(error: unknown, step: string): unknown {
  if (error instanceof Fault) error.path = step + error.path;
  return error;
}
