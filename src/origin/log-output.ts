/**
 * Standard output, for the log: lines wait for others for a moment, so that a request's costs no system call. Whoever
 * reads it may fall behind: then lines are lost and counted, and nothing waits.
 */
import { destination } from "pino";
import { fitLine } from "../core/logging/log-line.ts";

export interface LogOutput {
  /** @param line JSON with its line end; what is too long in it, or secret, is left out */
  write(line: string): void;
  /** The same for a line that is known to be neither. */
  writeFitted(line: string): void;
  /** Writes what waits before it returns: for the last words of a process. */
  flushSync(): void;
  /** Tells of each line that is lost from now on. */
  onDrop(listener: () => void): void;
}

/** For so long a line waits for others at most, milliseconds. */
const GATHER_MS = 50;
/** From so much on they do not wait, bytes: less than the stream writes at once. */
const GATHERED_BYTES = 8 * 1024;
/** While nobody reads, more than this does not wait, bytes. */
const MAX_WAITING_BYTES = 4 * 1024 * 1024;

export const createLogOutput = (): LogOutput => {
  const stream = destination({
    dest: 1,
    sync: false,
    minLength: GATHERED_BYTES,
    maxLength: MAX_WAITING_BYTES,
  });
  let tell = (): void => undefined;
  let isGathering = false;
  stream.on("drop", () => tell());
  // Who has read it has gone: that is no reason to end.
  stream.on("error", () => undefined);

  const flush = (): void => {
    isGathering = false;
    stream.flush();
  };

  const writeFitted = (line: string): void => {
    stream.write(line);
    if (isGathering) return;
    isGathering = true;
    setTimeout(flush, GATHER_MS).unref();
  };

  return {
    write: (line) => writeFitted(fitLine(line)),
    writeFitted,
    flushSync: () => {
      try {
        stream.flushSync();
      } catch {
        // Nobody reads any more.
      }
    },
    onDrop: (listener) => {
      tell = listener;
    },
  };
};
