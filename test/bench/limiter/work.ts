/** Work that nobody waits for, until the end. */

export interface Work {
  add(this: void, work: Promise<unknown>): void;
  /** Resolves when all that was added has ended, however. */
  settled(this: void): Promise<void>;
}

export const createWork = (): Work => {
  const running = new Set<Promise<unknown>>();
  return {
    add: (work) => {
      const ended = work.catch(() => undefined).finally(() => running.delete(ended));
      running.add(ended);
    },
    settled: async () => {
      while (running.size > 0) await Promise.all(running);
    },
  };
};
