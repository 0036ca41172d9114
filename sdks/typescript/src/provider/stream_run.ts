// One running stream: takes items from an author's iterator as credit comes. Encodes and sends nothing itself.

import type { Context } from "../context.js";
import type { ModrackError } from "../errors.js";
import { type ItemSource, isThenable, type StreamModule } from "../module.js";
import type { CallId } from "../wire/frames_in.js";
import type { Running, Sink } from "./sink.js";

/** What a failure of the author's becomes. */
export type Tell = (error: unknown) => ModrackError;

/**
 * Asks the iterator for an item only while there is credit for it, so it is never ahead of its caller. Whatever ends the
 * stream (its end, a failure, a cancel) closes the iterator.
 */
export class StreamRun implements Running {
  #credit: number;
  #over = false;
  #wake: (() => void) | undefined;
  #source: ItemSource | undefined;

  constructor(
    readonly module: StreamModule,
    readonly id: CallId,
    readonly sink: Sink,
    readonly context: Context,
    readonly tell: Tell,
    credit: number,
  ) {
    this.#credit = credit;
  }

  /** Takes the items until the stream is over. Never rejects. */
  async run(opening: ItemSource | Promise<ItemSource>): Promise<void> {
    try {
      const source = opening instanceof Promise ? await opening : opening;
      this.#source = source;
      if (this.#over) return this.#close(source);
      await this.#pump(source);
    } catch (error) {
      if (!this.#over) this.#finish(() => this.sink.fail(this.id, this.tell(error)));
    }
  }

  /** Whether nothing is told any more. */
  get isOver(): boolean {
    return this.#over;
  }

  grant(items: number): void {
    this.#credit += items;
    this.#wake?.();
  }

  cancel(reason: ModrackError): void {
    if (this.#over) return;
    this.#over = true;
    this.context.cancel(reason);
    this.#wake?.();
    // A generator that awaits something is closed when it comes back from there; other iterators are at once.
    if (this.#source !== undefined) this.#close(this.#source);
  }

  async #pump(source: ItemSource): Promise<void> {
    for (;;) {
      if (this.#credit === 0) await this.#granted();
      if (this.#over) return;
      const step = source.next();
      const { done, value } = isThenable(step) ? await step : step;
      if (this.#over) return;
      if (done === true) return this.#finish(() => this.sink.end(this.id));
      try {
        const awaited = isThenable(value) ? await value : value;
        const checked = this.module.check(awaited);
        const item = isThenable(checked) ? await checked : checked;
        if (this.#over) return;
        this.#credit -= 1;
        this.sink.item(this.id, this.module, item);
      } catch (error) {
        this.#close(source);
        throw error;
      }
    }
  }

  #finish(say: () => void): void {
    this.#over = true;
    say();
  }

  #granted(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = undefined;
        resolve();
      };
    });
  }

  /** What fails while the author cleans up is nobody's answer any more; the log has it. */
  #close(source: ItemSource): void {
    try {
      const closed: unknown = source.return?.();
      if (isThenable(closed)) Promise.resolve(closed).catch(this.tell);
    } catch (error) {
      this.tell(error);
    }
  }
}
