import { setTimeout as pause } from "node:timers/promises";

const intervalMs = 15;

/** Resolves with the result of `look` once it is neither undefined nor false; rejects after `timeoutMs`. */
export const until = async <T>(
  what: string,
  look: () => T | undefined | false | Promise<T | undefined | false>,
  timeoutMs = 15_000,
): Promise<T> => {
  const end = performance.now() + timeoutMs;
  for (;;) {
    const seen = await look();
    if (seen !== undefined && seen !== false) return seen;
    if (performance.now() > end) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await pause(intervalMs);
  }
};

/** Resolves with what the work gives once it succeeds. */
export const untilSucceeds = async <T>(
  what: string,
  work: () => Promise<T>,
  timeoutMs?: number,
): Promise<T> => {
  const succeeded = await until(
    what,
    () =>
      work()
        .then((value) => ({ value }))
        .catch(() => undefined),
    timeoutMs,
  );
  return succeeded.value;
};

/** The error of the work, and its duration in milliseconds. */
export const failureOf = async (work: Promise<unknown>): Promise<{ error: unknown; tookMs: number }> => {
  const beganAtMs = performance.now();
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return { error, tookMs: performance.now() - beganAtMs };
};

/** A promise that several wait for, opened once. */
export const gate = (): { readonly opened: Promise<void>; open(): void } => {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { opened: promise, open: () => resolve() };
};

/** A barrier: resolves once `size` callers have arrived. */
export const meeting = (size: number): (() => Promise<void>) => {
  const { opened, open } = gate();
  let arrived = 0;
  return () => {
    arrived += 1;
    if (arrived >= size) open();
    return opened;
  };
};
