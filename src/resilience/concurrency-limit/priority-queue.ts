/** The queue for permits: the highest priority first, within a priority the oldest first. Every step is O(1). */
import type { Priority } from "../../contract/policy.ts";

/** Highest first. */
export const PRIORITIES: readonly Priority[] = ["write", "read", "background"];

/** An entry, linked to its neighbors of the same priority. */
export interface QueueEntry<T> {
  readonly value: T;
  readonly priority: Priority;
  readonly sinceMs: number;
  isQueued: boolean;
  older: QueueEntry<T> | undefined;
  newer: QueueEntry<T> | undefined;
}

interface Ends<T> {
  oldest: QueueEntry<T> | undefined;
  newest: QueueEntry<T> | undefined;
}

const empty = <T>(): Ends<T> => ({ oldest: undefined, newest: undefined });

export class PriorityQueue<T> {
  readonly #ends: Readonly<Record<Priority, Ends<T>>> = {
    write: empty(),
    read: empty(),
    background: empty(),
  };
  #size = 0;

  get size(): number {
    return this.#size;
  }

  push(value: T, priority: Priority, sinceMs: number): QueueEntry<T> {
    const ends = this.#ends[priority];
    const older = ends.newest;
    const entry: QueueEntry<T> = { value, priority, sinceMs, isQueued: true, older, newer: undefined };
    if (older === undefined) ends.oldest = entry;
    else older.newer = entry;
    ends.newest = entry;
    this.#size += 1;
    return entry;
  }

  /** Has no effect on an entry that has left the queue. */
  remove(entry: QueueEntry<T>): void {
    if (!entry.isQueued) return;
    const { older, newer } = entry;
    const ends = this.#ends[entry.priority];
    if (older === undefined) ends.oldest = newer;
    else older.newer = newer;
    if (newer === undefined) ends.newest = older;
    else newer.older = older;
    entry.isQueued = false;
    this.#size -= 1;
  }

  /** The next entry to get a permit. */
  get first(): QueueEntry<T> | undefined {
    const { write, read, background } = this.#ends;
    return write.oldest ?? read.oldest ?? background.oldest;
  }

  /** The newest entry of the lowest priority below the given one. */
  lastBelow(priority: Priority): QueueEntry<T> | undefined {
    const { background, read } = this.#ends;
    if (priority === "background") return undefined;
    return background.newest ?? (priority === "write" ? read.newest : undefined);
  }

  /** An entry queued at this time or before; lower priorities first. */
  queuedBefore(atMs: number): QueueEntry<T> | undefined {
    const { write, read, background } = this.#ends;
    return [background.oldest, read.oldest, write.oldest].find((entry) => entry && entry.sinceMs <= atMs);
  }
}
