/** What ends a process: a signal, or an error that nothing caught. */
import { constants } from "node:os";
import type { OriginLog } from "../log/log.ts";

/**
 * Handles the signals that ask a process to end: the first one resolves, the second one ends the process immediately.
 *
 * @param onSecond ends what else has to end with the process
 */
export const firstStopSignal = (
  log: OriginLog,
  onSecond: () => void = () => undefined,
): Promise<NodeJS.Signals> => {
  const { promise, resolve } = Promise.withResolvers<NodeJS.Signals>();
  let isStopping = false;
  const handle = (signal: NodeJS.Signals): void => {
    if (isStopping) {
      log.warn({ signal }, "ended at once");
      onSecond();
      process.exit(128 + constants.signals[signal]);
    }
    isStopping = true;
    resolve(signal);
  };
  process.on("SIGTERM", handle);
  process.on("SIGINT", handle);
  return promise;
};

/**
 * Resolves at the first uncaught error. The state of the process is unknown then, so it finishes its requests and ends. Later
 * errors are logged.
 */
export const firstUncaught = (log: OriginLog): Promise<void> => {
  const { promise, resolve } = Promise.withResolvers<void>();
  process.on("uncaughtException", (error) => {
    log.fatal({ err: error }, "uncaught");
    resolve();
  });
  return promise;
};
