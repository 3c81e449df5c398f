/** Reproducible random numbers. */

/** Mulberry32. @returns numbers from 0 to below 1 */
export const seededRandom = (seed: number): (() => number) => {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
};

/** Exponential with mean 1: the time between two arrivals of a Poisson process. */
export const exponential = (random: () => number): number => -Math.log(1 - random());
