/** What the requests are served by: so many slots of a fixed service time, first come first served. */

/** Its capacity is 800 requests a second: far from what a process, or the load generator, takes a core for. */
export const SLOTS = 16;
export const SERVICE_MS = 20;
export const CAPACITY_PER_S = (SLOTS / SERVICE_MS) * 1000;

export interface Backend {
  /** Resolves when it is done. What has come is served, though nobody may wait for it any more. */
  serve(): Promise<void>;
  /** Work that is served or waits. */
  readonly load: number;
}

/**
 * A backend of its own would not stand still while this process does: so work begins when its slot is free by the
 * clock, however late that is noticed.
 */
export const createBackend = (): Backend => {
  /** When each slot is free; they are taken in turns, as all work takes equally long. */
  const freeAtMs = new Float64Array(SLOTS);
  let turn = 0;
  let load = 0;
  return {
    serve: () =>
      new Promise((resolve) => {
        const nowMs = performance.now();
        const endMs = Math.max(nowMs, freeAtMs[turn] ?? 0) + SERVICE_MS;
        freeAtMs[turn] = endMs;
        turn = (turn + 1) % SLOTS;
        load += 1;
        setTimeout(() => {
          load -= 1;
          resolve();
        }, endMs - nowMs);
      }),
    get load() {
      return load;
    },
  };
};
