/**
 * Buffered standard output for the log, so that most lines cost no system call. If the reader falls behind or
 * disconnects, lines are dropped and counted; only the end of the process waits for it, briefly.
 */
import { writeSync } from "node:fs";
import { fitLine } from "../../telemetry/logging/log-line.ts";

export type LogOutput = ReturnType<typeof createLogOutput>;

/** How long a line may stay in the buffer, milliseconds. */
const FLUSH_INTERVAL_MS = 50;
/** A buffer of this size is written immediately, UTF-16 code units. */
const FLUSH_UNITS = 8 * 1024;
/** Maximum size of the buffer while the reader is behind, UTF-16 code units. */
const MAX_BUFFER_UNITS = 4 * 1024 * 1024;
/** Pause before the next write to a full pipe; doubled while the reader accepts nothing, milliseconds. */
const FIRST_RETRY_MS = 1;
const MAX_RETRY_MS = 50;
/** Longest wait for the reader at the end of the process, and the pause between attempts, milliseconds. */
const FINAL_FLUSH_MS = 1_000;
const FINAL_RETRY_MS = 10;

const isBusy = (error: unknown): boolean =>
  error instanceof Error && "code" in error && (error.code === "EAGAIN" || error.code === "EBUSY");

const sleepSync = (ms: number): void => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

export const createLogOutput = () => {
  // Reading `fd` makes writes to a pipe or socket non-blocking: a full one is EAGAIN (libuv, `uv_pipe_open`).
  const { fd } = process.stdout;
  let onDropped = (_count: number): void => undefined;
  /** Complete lines, and their size. */
  let lines: string[] = [];
  let units = 0;
  /** The unwritten rest of earlier lines. */
  let chunk: Buffer = Buffer.alloc(0);
  let isDisconnected = false;
  let timer: NodeJS.Timeout | undefined;
  let retryMs = FIRST_RETRY_MS;

  const takeLines = (): string[] => {
    const taken = lines;
    lines = [];
    units = 0;
    return taken;
  };
  /** A disconnected reader does not end the process. */
  const disconnect = (): void => {
    isDisconnected = true;
    onDropped(takeLines().length + chunk.toString().split("\n").length - 1);
    chunk = Buffer.alloc(0);
  };
  /** Writes what the reader accepts. @returns whether anything is left */
  const push = (): boolean => {
    while (chunk.length > 0 || lines.length > 0) {
      if (chunk.length === 0) chunk = Buffer.from(takeLines().join(""));
      try {
        chunk = chunk.subarray(writeSync(fd, chunk));
        retryMs = FIRST_RETRY_MS;
      } catch (error) {
        if (isBusy(error)) return true;
        disconnect();
      }
    }
    return false;
  };
  const flushIn = (ms: number): void => {
    timer = setTimeout(flush, ms).unref();
  };
  const flush = (): void => {
    clearTimeout(timer);
    timer = undefined;
    if (!push()) return;
    flushIn(retryMs);
    retryMs = Math.min(2 * retryMs, MAX_RETRY_MS);
  };

  const write = (raw: string): void => {
    const line = fitLine(raw);
    if (isDisconnected || units + line.length > MAX_BUFFER_UNITS) {
      onDropped(1);
      return;
    }
    lines.push(line);
    units += line.length;
    // While the reader is behind, writes wait for its timer.
    if (units >= FLUSH_UNITS && chunk.length === 0) flush();
    else if (timer === undefined) flushIn(FLUSH_INTERVAL_MS);
  };

  return {
    /** @param line JSON with its line end; overlong and secret values are removed */
    write,
    /** Writes the buffer synchronously, as far as the reader accepts it, for the end of a process. */
    flushSync: (): void => {
      const untilMs = performance.now() + FINAL_FLUSH_MS;
      while (push() && performance.now() <= untilMs) sleepSync(FINAL_RETRY_MS);
    },
    /** Passes the number of dropped lines to the listener from now on. */
    onDrop: (listener: (count: number) => void): void => {
      onDropped = listener;
    },
  };
};
