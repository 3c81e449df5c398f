/** How the origin's process ends: its exit codes, and the signals and errors that end it. */
import { constants } from "node:os";
import type { OriginLog } from "../log/log.ts";

/** A second signal ends the process with 128 plus the signal's number, as in a shell. */
export const EXIT = {
  /** Stopped by a signal, after the drain. */
  stopped: 0,
  /** An uncaught error, after the drain, or an unrecoverable one at startup. */
  failure: 1,
  /** EX_CONFIG of sysexits.h: the configuration is invalid, so a restart does not help. */
  configuration: 78,
} as const;

/**
 * Resolves at the first SIGTERM or SIGINT. The second one ends the process immediately.
 *
 * @param onSecond ends anything that has to end with the process
 */
export const firstStopSignal = (log: OriginLog, onSecond: () => void = () => undefined): Promise<void> =>
  new Promise((resolve) => {
    let isStopping = false;
    const handle = (signal: NodeJS.Signals): void => {
      if (isStopping) {
        log.warn({ signal }, "stopped immediately");
        onSecond();
        process.exit(128 + constants.signals[signal]);
      }
      isStopping = true;
      resolve();
    };
    process.on("SIGTERM", handle);
    process.on("SIGINT", handle);
  });

/**
 * Resolves at the first uncaught error. The state of the process is unknown then, so it finishes its requests and ends.
 * Later errors are logged.
 */
export const firstUncaught = (log: OriginLog): Promise<void> =>
  new Promise((resolve) => {
    process.on("uncaughtException", (error) => {
      log.fatal({ err: error }, "uncaught");
      resolve();
    });
  });

/** Resolves with an exit code if the process will never be ready. */
export const startupFailure = (ready: Promise<void>, onReady: () => void, log: OriginLog): Promise<number> =>
  new Promise((resolve) => {
    ready.then(onReady, (error: unknown) => {
      log.fatal({ err: error }, "the origin cannot run");
      resolve(EXIT.failure);
    });
  });
