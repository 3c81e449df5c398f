/** Waiting, and limits on waiting, on any runtime. */

/** @param ms milliseconds */
export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Thrown by `withTimeout` without a fallback. */
export class TimeoutError extends Error {
  override readonly name = "TimeoutError";
}

/**
 * Settles as the work does, or after `ms` milliseconds. The work itself goes on; pass it a signal to end it.
 *
 * @returns the work's result, or the fallback once the time is up
 * @throws TimeoutError once the time is up, if there is no fallback
 */
export const withTimeout = async <T, F = never>(
  work: Promise<T>,
  ms: number,
  options?: { readonly fallback: F },
): Promise<T | F> => {
  const late = Promise.withResolvers<F>();
  const timer = setTimeout(() => {
    if (options === undefined) late.reject(new TimeoutError(`timed out after ${ms} ms`));
    else late.resolve(options.fallback);
  }, ms);
  try {
    return await Promise.race([work, late.promise]);
  } finally {
    clearTimeout(timer);
  }
};

export interface Timeout {
  readonly signal: AbortSignal;
  /** Stops the timer. Call it when the work has ended: an open timer keeps its request alive. */
  clear(): void;
}

/**
 * A signal that aborts after `ms` milliseconds, immediately if `ms` is not positive. Unlike `AbortSignal.timeout`, its
 * timer can be stopped; in workerd an open one burdens every garbage collection.
 */
export const timeoutSignal = (ms: number): Timeout => {
  const controller = new AbortController();
  const timer = setTimeout(
    () => controller.abort(new TimeoutError(`timed out after ${ms} ms`)),
    Math.max(0, ms),
  );
  return { signal: controller.signal, clear: () => clearTimeout(timer) };
};
