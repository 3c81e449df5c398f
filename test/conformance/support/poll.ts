import { setTimeout as pause } from "node:timers/promises";

const intervalMs = 15;

/** Resolves with what `look` gives once it is neither undefined nor false; rejects after `timeoutMs`. */
export const until = async <T>(
  what: string,
  look: () => T | undefined | false | Promise<T | undefined | false>,
  timeoutMs = 5_000,
): Promise<T> => {
  const end = performance.now() + timeoutMs;
  for (;;) {
    const seen = await look();
    if (seen !== undefined && seen !== false) return seen;
    if (performance.now() > end) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await pause(intervalMs);
  }
};

/** How long the work took, milliseconds, and how it failed. */
export const failureOf = async (work: Promise<unknown>): Promise<{ error: unknown; tookMs: number }> => {
  const beganAtMs = performance.now();
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return { error, tookMs: performance.now() - beganAtMs };
};

/** Opens once: what several wait for. */
export const gate = (): { readonly opened: Promise<void>; open(): void } => {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { opened: promise, open: () => resolve() };
};

/** Lets nobody through before so many have come. */
export const meeting = (size: number): (() => Promise<void>) => {
  const { opened, open } = gate();
  let come = 0;
  return () => {
    come += 1;
    if (come >= size) open();
    return opened;
  };
};
