/**
 * Waiting and timeouts, on any runtime.
 *
 * A busy event loop runs a timer late, and before replies that have long arrived: the dependency would be blamed for this
 * process's own backlog. So a timeout is a chain of short timers. Each counts as its own length, however late it is, and
 * between two of them the loop delivers what has arrived.
 */

/** @param ms milliseconds */
export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Timers of a timeout, and so the turns of a busy event loop that it lasts. */
const PARTS = 5;

/** @returns a function that stops the timeout */
const startTimeout = (ms: number, onTimeout: () => void): (() => void) => {
  const partMs = Math.ceil(ms / PARTS);
  let leftMs = ms;
  let timer: ReturnType<typeof setTimeout>;
  const next = (): void => {
    // The last millisecond is a turn of its own, for a reply that has arrived during the last part.
    const waitMs = leftMs > 1 ? Math.min(leftMs - 1, partMs) : leftMs;
    leftMs -= waitMs;
    timer = setTimeout(leftMs > 0 ? next : onTimeout, waitMs);
  };
  next();
  return () => clearTimeout(timer);
};

/** Thrown by `withTimeout` without a fallback. */
export class TimeoutError extends Error {
  override readonly name = "TimeoutError";
}

/**
 * The work's result, or the fallback after `ms` milliseconds. The work continues; pass it a signal to stop
 * it.
 *
 * @throws TimeoutError after `ms` milliseconds without a fallback
 */
export const withTimeout = async <T, F = never>(
  work: Promise<T>,
  ms: number,
  options?: { readonly fallback: F },
): Promise<T | F> => {
  const late = Promise.withResolvers<F>();
  const stop = startTimeout(ms, () => {
    if (options === undefined) late.reject(new TimeoutError(`timed out after ${ms} ms`));
    else late.resolve(options.fallback);
  });
  try {
    return await Promise.race([work, late.promise]);
  } finally {
    stop();
  }
};

export interface Timeout {
  readonly signal: AbortSignal;
  /** Stops the timer. Call it when the work has ended, because an open timer keeps its request alive. */
  clear(): void;
}

/**
 * A signal that aborts after `ms` milliseconds, at once if `ms` is not positive. Unlike
 * `AbortSignal.timeout`'s, its timer can be stopped; in workerd, open timers slow down every garbage
 * collection.
 */
export const timeoutSignal = (ms: number): Timeout => {
  const controller = new AbortController();
  const clear = startTimeout(Math.max(0, ms), () =>
    controller.abort(new TimeoutError(`timed out after ${ms} ms`)),
  );
  return { signal: controller.signal, clear };
};
