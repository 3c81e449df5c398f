/** Virtual time: what is planned happens in the order of its times, at once (a binary heap). */

export interface Timeline {
  nowMs(): number;
  at(atMs: number, happen: () => void): void;
  /** Until nothing is planned any more. */
  run(): void;
}

interface Planned {
  readonly atMs: number;
  /** Of two at the same time the one that was planned first happens first. */
  readonly order: number;
  readonly happen: () => void;
}

const isBefore = (a: Planned, b: Planned): boolean =>
  a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);

export const createTimeline = (beginMs: number): Timeline => {
  const heap: Planned[] = [];
  let nowMs = beginMs;
  let order = 0;

  const push = (planned: Planned): void => {
    let index = heap.length;
    while (index > 0) {
      const above = (index - 1) >> 1;
      const parent = heap[above];
      if (parent === undefined || !isBefore(planned, parent)) break;
      heap[index] = parent;
      index = above;
    }
    heap[index] = planned;
  };

  const sink = (planned: Planned): void => {
    let index = 0;
    for (;;) {
      let below = 2 * index + 1;
      let child = heap[below];
      const right = heap[below + 1];
      if (child !== undefined && right !== undefined && isBefore(right, child)) {
        below += 1;
        child = right;
      }
      if (child === undefined || !isBefore(child, planned)) break;
      heap[index] = child;
      index = below;
    }
    heap[index] = planned;
  };

  const pop = (): Planned | undefined => {
    const first = heap[0];
    const last = heap.pop();
    if (last !== undefined && heap.length > 0) sink(last);
    return first;
  };

  return {
    nowMs: () => nowMs,
    at: (atMs, happen) => {
      order += 1;
      push({ atMs, order, happen });
    },
    run: () => {
      for (let next = pop(); next !== undefined; next = pop()) {
        nowMs = next.atMs;
        next.happen();
      }
    },
  };
};
