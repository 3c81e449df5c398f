/**
 * Buffered standard output for the log, so that most lines cost no system call. If the reader falls behind or disconnects,
 * lines are dropped and counted; the process does not wait for it, except briefly when it ends.
 */
import { writeSync } from "node:fs";
import { fitLine } from "../../telemetry/logging/log-line.ts";

export interface LogOutput {
  /** @param line JSON with its line end; overlong and secret values are removed */
  write(line: string): void;
  /** For a line that is known to be short and to contain no secrets. */
  writeFitted(line: string): void;
  /** Writes the buffer before it returns, as far as the reader accepts it. For the end of a process. */
  flushSync(): void;
  /** Calls the listener for each line that is dropped from now on. */
  onDrop(listener: () => void): void;
}

/** How long a line may stay in the buffer, milliseconds. */
const FLUSH_INTERVAL_MS = 50;
/** A buffer of this size is written immediately, UTF-16 code units. */
const FLUSH_UNITS = 8 * 1024;
/** Maximum size of the buffer while the reader is behind, UTF-16 code units. */
const MAX_BUFFER_UNITS = 4 * 1024 * 1024;
/** Pause before the next write to a full pipe; doubled while the reader accepts nothing, milliseconds. */
const FIRST_RETRY_MS = 1;
const LONGEST_RETRY_MS = 50;
/** Longest wait for the reader at the end of the process, and the pause between two attempts, milliseconds. */
const FINAL_FLUSH_MS = 1_000;
const FINAL_RETRY_MS = 10;

const isBusy = (error: unknown): boolean =>
  error instanceof Error && "code" in error && (error.code === "EAGAIN" || error.code === "EBUSY");

const sleepSync = (ms: number): void => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

export const createLogOutput = (): LogOutput => {
  // Reading `fd` makes writes to a pipe or socket non-blocking: a full one is EAGAIN (libuv, `uv_pipe_open`).
  const { fd } = process.stdout;
  let onDropped = (): void => undefined;
  /** Whole lines. */
  let lines: string[] = [];
  let units = 0;
  /** The unwritten rest of the last write. */
  let chunk: Buffer | undefined;
  let isDisconnected = false;
  let timer: NodeJS.Timeout | undefined;
  let retryMs = FIRST_RETRY_MS;

  const drop = (count: number): void => {
    for (let each = 0; each < count; each += 1) onDropped();
  };
  /** The reader has disconnected, which does not end the process. */
  const giveUp = (): void => {
    isDisconnected = true;
    drop(lines.length + (chunk?.toString().split("\n").length ?? 1) - 1);
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
  /** Writes what the reader accepts. */
  const push = (): { readonly isLeft: boolean; readonly hasWritten: boolean } => {
    let hasWritten = false;
    for (let next = nextChunk(); next !== undefined; next = nextChunk()) {
      try {
        written(writeSync(fd, next));
        hasWritten = true;
      } catch (error) {
        if (isBusy(error)) return { isLeft: true, hasWritten };
        giveUp();
      }
    }
    return { isLeft: false, hasWritten };
  };
  const flush = (): void => {
    clearTimeout(timer);
    timer = undefined;
    const { isLeft, hasWritten } = push();
    retryMs = hasWritten || !isLeft ? FIRST_RETRY_MS : Math.min(2 * retryMs, LONGEST_RETRY_MS);
    if (isLeft) flushIn(retryMs);
  };

  const writeFitted = (line: string): void => {
    if (isDisconnected || units + line.length > MAX_BUFFER_UNITS) {
      onDropped();
      return;
    }
    lines.push(line);
    units += line.length;
    // A reader that is behind gets its pauses.
    if (units >= FLUSH_UNITS && chunk === undefined) flush();
    else if (timer === undefined) flushIn(FLUSH_INTERVAL_MS);
  };

  return {
    write: (line) => writeFitted(fitLine(line)),
    writeFitted,
    flushSync: () => {
      const untilMs = performance.now() + FINAL_FLUSH_MS;
      while (push().isLeft) {
        if (performance.now() > untilMs) return;
        sleepSync(FINAL_RETRY_MS);
      }
    },
    onDrop: (listener) => {
      onDropped = listener;
    },
  };
};
