/** Who waits for a place: the highest priority first, and within one who came first. Every step is O(1). */
import type { Priority } from "../../contract/policy.ts";
import { PRIORITIES } from "./shed.ts";

/** Where somebody stands; neighbours are of the same priority. */
export interface Standing<T> {
  readonly who: T;
  readonly priority: Priority;
  readonly sinceMs: number;
  isWaiting: boolean;
  before: Standing<T> | undefined;
  after: Standing<T> | undefined;
}

interface Ends<T> {
  oldest: Standing<T> | undefined;
  newest: Standing<T> | undefined;
}

const nobody = <T>(): Ends<T> => ({ oldest: undefined, newest: undefined });

export class WaitingLine<T> {
  readonly #ends: Record<Priority, Ends<T>> = { write: nobody(), read: nobody(), background: nobody() };
  #length = 0;

  get length(): number {
    return this.#length;
  }

  join(who: T, priority: Priority, sinceMs: number): Standing<T> {
    const ends = this.#ends[priority];
    const before = ends.newest;
    const standing: Standing<T> = { who, priority, sinceMs, isWaiting: true, before, after: undefined };
    if (before === undefined) ends.oldest = standing;
    else before.after = standing;
    ends.newest = standing;
    this.#length += 1;
    return standing;
  }

  /** @returns whether it was in the line */
  leave(standing: Standing<T>): boolean {
    if (!standing.isWaiting) return false;
    const { before, after } = standing;
    const ends = this.#ends[standing.priority];
    if (before === undefined) ends.oldest = after;
    else before.after = after;
    if (after === undefined) ends.newest = before;
    else after.before = before;
    standing.isWaiting = false;
    standing.before = undefined;
    standing.after = undefined;
    this.#length -= 1;
    return true;
  }

  /** Whose turn it is. */
  get first(): Standing<T> | undefined {
    if (this.#length === 0) return undefined;
    const { write, read, background } = this.#ends;
    return write.oldest ?? read.oldest ?? background.oldest;
  }

  /** The newest of the lowest priority, where that is lower than another. */
  lastBelow(priority: Priority): Standing<T> | undefined {
    const { background, read } = this.#ends;
    if (priority === "background") return undefined;
    return background.newest ?? (priority === "write" ? read.newest : undefined);
  }

  /** Somebody who has been there since then or longer; of a higher priority last. */
  since(atMs: number): Standing<T> | undefined {
    if (this.#length === 0) return undefined;
    for (let index = PRIORITIES.length - 1; index >= 0; index -= 1) {
      const oldest = this.#ends[PRIORITIES[index] ?? "background"].oldest;
      if (oldest !== undefined && oldest.sinceMs <= atMs) return oldest;
    }
    return undefined;
  }
}
