/** A discrete-event clock: it jumps from one event to the next. */

interface Entry {
  readonly atMs: number;
  readonly happen: () => void;
}

/** A binary heap, the earliest first. */
export class Agenda {
  nowMs: number;
  readonly #heap: Entry[] = [];

  constructor(startMs: number) {
    this.nowMs = startMs;
  }

  after(delayMs: number, happen: () => void): void {
    const heap = this.#heap;
    const entry = { atMs: this.nowMs + delayMs, happen };
    let at = heap.length;
    while (at > 0) {
      const parentAt = (at - 1) >> 1;
      const parent = heap[parentAt];
      if (parent === undefined || parent.atMs <= entry.atMs) break;
      heap[at] = parent;
      at = parentAt;
    }
    heap[at] = entry;
  }

  /** Runs all events due until this time. */
  runUntil(untilMs: number): void {
    for (;;) {
      const next = this.#heap[0];
      if (next === undefined || next.atMs > untilMs) break;
      this.#removeFirst();
      this.nowMs = next.atMs;
      next.happen();
    }
    this.nowMs = untilMs;
  }

  #removeFirst(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      const left = 2 * at + 1;
      const right = left + 1;
      const leftEntry = heap[left];
      if (leftEntry === undefined) break;
      const rightEntry = heap[right];
      const isRight = rightEntry !== undefined && rightEntry.atMs < leftEntry.atMs;
      const earlier = isRight ? rightEntry : leftEntry;
      if (earlier.atMs >= last.atMs) break;
      heap[at] = earlier;
      at = isRight ? right : left;
    }
    heap[at] = last;
  }
}
