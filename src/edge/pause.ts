/** Waiting, in a request's own time. */

export const pauseFor = <T>(ms: number, value: T): Promise<T> =>
  new Promise((resolve) => setTimeout(() => resolve(value), ms));

export const pause = (ms: number): Promise<void> => pauseFor(ms, undefined);
