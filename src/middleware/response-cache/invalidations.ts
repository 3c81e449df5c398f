/**
 * Which tags writes have invalidated, and when, by a process or an isolate. Bounded: what is forgotten counts as
 * invalidated at the last moment that was forgotten, so that nothing old ever passes for new.
 */

export interface Invalidations {
  /** The current moment: milliseconds that never go back, and always later than the last invalidation. */
  now(): number;
  /** Everything that was made under the tags until now is invalid. */
  invalidate(tags: readonly string[]): void;
  /** Whether what reflects all writes until that moment is older than a write to one of the tags. */
  isInvalidated(tags: readonly string[], asOfMs: number): boolean;
  /** The age below which no known write has invalidated a response, seconds; undefined if any age will do. */
  maxAgeS(tags: readonly string[]): number | undefined;
}

/** Between an invalidation and what follows in the same millisecond; a power of two, so that sums are exact. */
const STEP_MS = 2 ** -10;

/** @param now epoch milliseconds @param maxTags that are remembered */
export const createInvalidations = (now: () => number, maxTags = 10_000): Invalidations => {
  /** Ordered by time. */
  const moments = new Map<string, number>();
  let latestMs = 0;
  let forgottenMs = Number.NEGATIVE_INFINITY;

  const moment = (): number => {
    latestMs = Math.max(latestMs, now());
    return latestMs;
  };

  const last = (tags: readonly string[]): number =>
    tags.reduce((latest, tag) => Math.max(latest, moments.get(tag) ?? latest), Number.NEGATIVE_INFINITY);

  return {
    now: moment,
    invalidate: (tags) => {
      for (const tag of tags) {
        moments.delete(tag);
        moments.set(tag, moment());
        const [oldest] = moments;
        if (moments.size <= maxTags || oldest === undefined) continue;
        moments.delete(oldest[0]);
        forgottenMs = oldest[1];
      }
      latestMs += STEP_MS;
    },
    isInvalidated: (tags, asOfMs) => asOfMs <= forgottenMs || asOfMs <= last(tags),
    maxAgeS: (tags) => {
      const lastMs = last(tags);
      return lastMs < 0 ? undefined : Math.max(0, Math.floor((now() - lastMs) / 1_000));
    },
  };
};
