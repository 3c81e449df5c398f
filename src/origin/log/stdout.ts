/**
 * Standard output, for the log: lines wait for others for a moment, so that a request's costs no system call. Whoever
 * reads it may fall behind, or go: then lines are lost and counted, and nothing waits, neither while the process runs nor
 * when it ends.
 */
import { writeSync } from "node:fs";
import { fitLine } from "../../telemetry/logging/log-line.ts";

export interface LogOutput {
  /** @param line JSON with its line end; what is too long in it, or secret, is left out */
  write(line: string): void;
  /** The same for a line that is known to be neither. */
  writeFitted(line: string): void;
  /** Writes what waits before it returns, as far as it is read: for the last words of a process. */
  flushSync(): void;
  /** Tells of each line that is lost from now on. */
  onDrop(listener: () => void): void;
}

/** For so long a line waits for others at most, milliseconds. */
const GATHER_MS = 50;
/** From so much on they do not wait, UTF-16 code units. */
const GATHERED_UNITS = 8 * 1024;
/** While nobody reads, more than this does not wait, UTF-16 code units. */
const MAX_WAITING_UNITS = 4 * 1024 * 1024;
/** A reader that has fallen behind is looked after again so soon; twice as late each time that it has taken nothing. */
const FIRST_RETRY_MS = 1;
const LONGEST_RETRY_MS = 50;
/** When the process ends a reader that takes nothing is not waited for longer, milliseconds. */
const LAST_WORDS_MS = 1_000;

/** Whoever touches it has what is written to a pipe or a socket never wait: a full one is EAGAIN (libuv, `uv_pipe_open`). */
const neverWaiting = (): number => process.stdout.fd;

const isBusy = (error: unknown): boolean =>
  error instanceof Error && "code" in error && (error.code === "EAGAIN" || error.code === "EBUSY");

/** Within them it is looked so often whether it takes something, milliseconds. */
const LOOK_MS = 10;

const sleep = (ms: number): void => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

export const createLogOutput = (): LogOutput => {
  const fd = neverWaiting();
  let tell = (): void => undefined;
  /** What waits to be written, whole lines. */
  let lines: string[] = [];
  let units = 0;
  /** What is being written, from where it goes on. */
  let chunk: Buffer | undefined;
  let hasGone = false;
  let timer: NodeJS.Timeout | undefined;
  let retryMs = FIRST_RETRY_MS;

  const lose = (count: number): void => {
    for (let each = 0; each < count; each += 1) tell();
  };
  /** Nobody reads any more: that is no reason to end. */
  const giveUp = (): void => {
    hasGone = true;
    lose(lines.length + (chunk?.toString().split("\n").length ?? 1) - 1);
    lines = [];
    units = 0;
    chunk = undefined;
  };
  const nextChunk = (): Buffer | undefined => {
    if (chunk === undefined && lines.length > 0) {
      chunk = Buffer.from(lines.join(""));
      lines = [];
      units = 0;
    }
    return chunk;
  };
  const written = (bytes: number): void => {
    chunk = chunk === undefined || bytes >= chunk.length ? undefined : chunk.subarray(bytes);
  };

  const flushIn = (ms: number): void => {
    clearTimeout(timer);
    timer = setTimeout(flush, ms).unref();
  };
  /** Writes what the reader has room for. @returns whether there is something left, and whether it has taken anything */
  const push = (): { readonly isLeft: boolean; readonly isTaken: boolean } => {
    let isTaken = false;
    for (let next = nextChunk(); next !== undefined; next = nextChunk()) {
      try {
        written(writeSync(fd, next));
        isTaken = true;
      } catch (error) {
        if (isBusy(error)) return { isLeft: true, isTaken };
        giveUp();
      }
    }
    return { isLeft: false, isTaken };
  };
  const flush = (): void => {
    clearTimeout(timer);
    timer = undefined;
    const { isLeft, isTaken } = push();
    retryMs = isTaken || !isLeft ? FIRST_RETRY_MS : Math.min(2 * retryMs, LONGEST_RETRY_MS);
    if (isLeft) flushIn(retryMs);
  };

  const writeFitted = (line: string): void => {
    if (hasGone || units + line.length > MAX_WAITING_UNITS) {
      tell();
      return;
    }
    lines.push(line);
    units += line.length;
    // One that has fallen behind is given its time.
    if (units >= GATHERED_UNITS && chunk === undefined) flush();
    else if (timer === undefined) flushIn(GATHER_MS);
  };

  return {
    write: (line) => writeFitted(fitLine(line)),
    writeFitted,
    flushSync: () => {
      const untilMs = performance.now() + LAST_WORDS_MS;
      while (push().isLeft) {
        if (performance.now() > untilMs) return;
        sleep(LOOK_MS);
      }
    },
    onDrop: (listener) => {
      tell = listener;
    },
  };
};
