// Tells the errors that a client gave to whoever called from all others. Makes no errors, and knows no handler.

import { ModrackError } from "./errors.js";

const CALLED = new WeakSet<ModrackError>();

/** Marks what a client fails with; everything but a `ModrackError` passes as it is. */
export function called<T>(error: T): T {
  if (error instanceof ModrackError) CALLED.add(error);
  return error;
}

/** Whether an error is what a client gave to whoever called, and nothing that was made of it. */
export function cameFromCall(error: unknown): boolean {
  return error instanceof ModrackError && CALLED.has(error);
}
