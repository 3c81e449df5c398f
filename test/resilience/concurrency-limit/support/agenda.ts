/** A discrete-event clock: it jumps from one event to the next. */
interface Planned {
  readonly atMs: number;
  /** Events of the same time happen in the order in which they were planned. */
  readonly order: number;
  readonly happen: () => void;
}

const isBefore = (a: Planned, b: Planned): boolean =>
  a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);

export class Agenda {
  nowMs: number;
  /** A binary heap: simulations plan hundreds of thousands of events ahead. */
  readonly #heap: Planned[] = [];
  #planned = 0;

  constructor(startMs: number) {
    this.nowMs = startMs;
  }

  after(delayMs: number, happen: () => void): void {
    const event = { atMs: this.nowMs + delayMs, order: this.#planned++, happen };
    let index = this.#heap.length;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = this.#heap[parent];
      if (above === undefined || !isBefore(event, above)) break;
      this.#heap[index] = above;
      index = parent;
    }
    this.#heap[index] = event;
  }

  at(atMs: number, happen: () => void): void {
    this.after(Math.max(0, atMs - this.nowMs), happen);
  }

  /** Runs all events due until this time. */
  runUntil(untilMs: number): void {
    for (let [next] = this.#heap; next !== undefined && next.atMs <= untilMs; [next] = this.#heap) {
      this.#removeFirst();
      this.nowMs = next.atMs;
      next.happen();
    }
    this.nowMs = untilMs;
  }

  #removeFirst(): void {
    const last = this.#heap.pop();
    if (last === undefined || this.#heap.length === 0) return;
    let index = 0;
    for (;;) {
      const [left, right] = [this.#heap[2 * index + 1], this.#heap[2 * index + 2]];
      const isRight = left !== undefined && right !== undefined && isBefore(right, left);
      const below = isRight ? right : left;
      if (below === undefined || !isBefore(below, last)) break;
      this.#heap[index] = below;
      index = 2 * index + (isRight ? 2 : 1);
    }
    this.#heap[index] = last;
  }
}
