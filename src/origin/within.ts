/** What a promise gives, or something else where it takes too long; it goes on unheard then. */
export const within = async <T>(promise: Promise<T>, timeoutMs: number, late: T): Promise<T> => {
  const { promise: timedOut, resolve } = Promise.withResolvers<T>();
  const timer = setTimeout(() => resolve(late), timeoutMs);
  try {
    return await Promise.race([promise, timedOut]);
  } finally {
    clearTimeout(timer);
  }
};
