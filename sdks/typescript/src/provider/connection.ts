// What the three planes have in common. Opens nothing.

import type { ModrackError } from "../errors.js";

/** A way in which calls reach a provider. */
export type Plane = "link" | "attach" | "unary";

/** The planes by which a provider can be reached, the fastest first. */
export const PLANES: readonly Plane[] = ["link", "attach", "unary"];

/** One way in which calls come in. */
export interface Connection {
  readonly plane: Plane;
  /** Done when the connection is over; with the reason unless this side closed it. */
  readonly ended: Promise<ModrackError | undefined>;
  /** Done when the host asks for an orderly end of this connection. */
  readonly draining: Promise<void>;
  /** Takes no new calls and waits for those that run, at most so long; how many still do. */
  drain(graceMs: number): Promise<number>;
  /** Sends what waits, then ends the connection. */
  close(): Promise<void>;
}
