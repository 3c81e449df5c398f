/** Work in the background, again and again, never twice at a time. */

export interface Repetition {
  /** Begins no further round; resolves when a running one has ended. */
  stop(): Promise<void>;
}

/** @param intervalMs from the end of one round to the beginning of the next; `work` handles its own errors */
export const repeat = (work: () => Promise<void>, intervalMs: number): Repetition => {
  const stopping = Promise.withResolvers<void>();
  let isStopping = false;
  const run = async (): Promise<void> => {
    while (!isStopping) {
      await work();
      let timer: NodeJS.Timeout | undefined;
      const pause = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, intervalMs);
      });
      await Promise.race([pause, stopping.promise]);
      clearTimeout(timer);
    }
  };
  const ended = run();
  return {
    stop: async () => {
      isStopping = true;
      stopping.resolve();
      await ended;
    },
  };
};
