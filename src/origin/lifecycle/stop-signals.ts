import { constants } from "node:os";
import type { OriginLog } from "../log.ts";

/**
 * Takes the signals that ask a process to end: the first one resolves, the second one ends it at once.
 *
 * @param onSecond what else has to end with the process
 */
export const firstStopSignal = (
  log: OriginLog,
  onSecond: () => void = () => undefined,
): Promise<NodeJS.Signals> => {
  const { promise, resolve } = Promise.withResolvers<NodeJS.Signals>();
  let isAsked = false;
  const take = (signal: NodeJS.Signals): void => {
    if (isAsked) {
      log.warn({ signal }, "ended at once");
      onSecond();
      process.exit(128 + constants.signals[signal]);
    }
    isAsked = true;
    resolve(signal);
  };
  process.on("SIGTERM", take);
  process.on("SIGINT", take);
  return promise;
};
