/** The end of the origin's process: its exit codes, and the signals and errors that cause it. */
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
 * Resolves with the exit code at the first of the signals, or at an uncaught error, which leaves the process
 * in an unknown state. Later errors are logged.
 *
 * @param onSecondSignal called before the process ends immediately @default a second signal is ignored
 */
export const firstEnd = (
  log: OriginLog,
  signals: readonly ("SIGTERM" | "SIGINT")[],
  onSecondSignal?: () => void,
): Promise<number> =>
  new Promise((resolve) => {
    let isStopping = false;
    const stop = (signal: NodeJS.Signals): void => {
      if (isStopping && onSecondSignal !== undefined) {
        log.warn({ signal }, "stopped immediately");
        onSecondSignal();
        process.exit(128 + constants.signals[signal]);
      }
      isStopping = true;
      resolve(EXIT.stopped);
    };
    for (const signal of signals) process.on(signal, stop);
    process.on("uncaughtException", (error) => {
      log.fatal({ err: error }, "uncaught");
      resolve(EXIT.failure);
    });
  });
