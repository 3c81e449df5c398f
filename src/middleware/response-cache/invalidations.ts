/**
 * Which tags writes have made old, and when. A moment is any number that does not fall: a count, or a clock.
 * Bounded: what is forgotten counts as made old at the last moment that was forgotten, so that nothing old is ever
 * taken for new.
 */

export interface Invalidations {
  /** Everything with one of the tags that was made up to this moment is old. */
  note(tags: readonly string[], moment: number): void;
  /** Whether what was made at a moment is older than the last write to one of its tags. */
  isOld(tags: readonly string[], madeAt: number): boolean;
  /** The last moment at which one of the tags was made old; undefined where none is known. */
  last(tags: readonly string[]): number | undefined;
}

/** @param maxTags @default 10,000 */
export const createInvalidations = (maxTags = 10_000): Invalidations => {
  const moments = new Map<string, number>();
  let forgottenAt = Number.NEGATIVE_INFINITY;

  const forgetOldest = (): void => {
    const [oldest] = moments;
    if (oldest === undefined) return;
    moments.delete(oldest[0]);
    forgottenAt = Math.max(forgottenAt, oldest[1]);
  };

  const last = (tags: readonly string[]): number | undefined => {
    let latest: number | undefined;
    for (const tag of tags) {
      const moment = moments.get(tag);
      if (moment !== undefined && (latest === undefined || moment > latest)) latest = moment;
    }
    return latest;
  };

  return {
    note: (tags, moment) => {
      for (const tag of tags) {
        const latest = Math.max(moment, moments.get(tag) ?? moment);
        // Behind those that are there: the one that was written longest ago is forgotten first.
        moments.delete(tag);
        moments.set(tag, latest);
        if (moments.size > maxTags) forgetOldest();
      }
    },
    isOld: (tags, madeAt) => madeAt <= forgottenAt || madeAt <= (last(tags) ?? Number.NEGATIVE_INFINITY),
    last,
  };
};

/** The invalidations of a process or isolate, on its own clock. */
export interface InvalidationClock {
  /** The current moment: milliseconds that never go back, and always later than the last invalidation. */
  now(): number;
  /** Everything that was made under the tags until now is invalid. */
  invalidate(tags: readonly string[]): void;
  /** Whether what reflects every write until that moment is older than a write to one of the tags. */
  isInvalidated(tags: readonly string[], asOfMs: number): boolean;
  /** The age below which no known write has invalidated a response, seconds; undefined if any age will do. */
  maxAgeS(tags: readonly string[]): number | undefined;
}

/** Between an invalidation and what follows in the same millisecond; a power of two, so that sums are exact. */
const STEP_MS = 2 ** -10;

/** @param now epoch milliseconds */
export const createInvalidationClock = (now: () => number): InvalidationClock => {
  const invalidations = createInvalidations();
  let latestMs = 0;

  const moment = (): number => {
    latestMs = Math.max(latestMs, now());
    return latestMs;
  };

  return {
    now: moment,
    invalidate: (tags) => {
      invalidations.note(tags, moment());
      latestMs += STEP_MS;
    },
    isInvalidated: invalidations.isOld,
    maxAgeS: (tags) => {
      const lastMs = invalidations.last(tags);
      return lastMs === undefined ? undefined : Math.max(0, Math.floor((now() - lastMs) / 1_000));
    },
  };
};
