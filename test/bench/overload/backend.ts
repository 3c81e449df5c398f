/** The backend of all requests: slots with a fixed service time, first come first served. */

/** A capacity of 800 requests/s, far below the limits of a process or of the load generator. */
export const SLOTS = 16;
export const SERVICE_MS = 20;
export const CAPACITY_PER_S = (SLOTS / SERVICE_MS) * 1000;

export interface Backend {
  /** Resolves when it is done. All work is served, even if its client has disconnected. */
  serve(): Promise<void>;
  /** Work that is served or waits. */
  readonly load: number;
}

/** Work begins when its slot is free by the clock, because a separate backend would go on while this process is blocked. */
export const createBackend = (): Backend => {
  /** When each slot is free; taken in turns, because all work takes equally long. */
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
