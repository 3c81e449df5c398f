/** Events on a simulated clock, in order of time. */

interface Planned {
  readonly atMs: number;
  /** Events of the same time run in the order in which they were planned. */
  readonly order: number;
  readonly run: () => void;
}

const isBefore = (a: Planned, b: Planned): boolean =>
  a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);

export class EventQueue {
  nowMs = 0;
  /** A binary heap. */
  readonly #heap: Planned[] = [];
  #planned = 0;

  after(ms: number, run: () => void): void {
    this.at(this.nowMs + ms, run);
  }

  at(atMs: number, run: () => void): void {
    const planned = { atMs: Math.max(atMs, this.nowMs), order: this.#planned++, run };
    let index = this.#heap.push(planned) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = this.#heap[parent];
      if (above === undefined || !isBefore(planned, above)) break;
      this.#heap[index] = above;
      index = parent;
    }
    this.#heap[index] = planned;
  }

  /** Runs all events, including those that events plan. */
  run(): void {
    for (let next = this.#take(); next !== undefined; next = this.#take()) {
      this.nowMs = next.atMs;
      next.run();
    }
  }

  #take(): Planned | undefined {
    const [first] = this.#heap;
    const last = this.#heap.pop();
    if (last === undefined || this.#heap.length === 0) return first;
    let index = 0;
    for (;;) {
      const [left, right] = [2 * index + 1, 2 * index + 2];
      const least = this.#lesser(left, right);
      const below = this.#heap[least];
      if (below === undefined || !isBefore(below, last)) break;
      this.#heap[index] = below;
      index = least;
    }
    this.#heap[index] = last;
    return first;
  }

  #lesser(left: number, right: number): number {
    const [a, b] = [this.#heap[left], this.#heap[right]];
    return a !== undefined && b !== undefined && isBefore(b, a) ? right : left;
  }
}
