import type { OriginLog } from "../log.ts";

/**
 * Resolves at the first error that nobody caught: the process is in a state that nobody foresaw, so it answers
 * what it has begun and ends. Those that follow are logged.
 */
export const firstUncaught = (log: OriginLog): Promise<void> => {
  const { promise, resolve } = Promise.withResolvers<void>();
  process.on("uncaughtException", (error) => {
    log.fatal({ err: error }, "uncaught");
    resolve();
  });
  return promise;
};
