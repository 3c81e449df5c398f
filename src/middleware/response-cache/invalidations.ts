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
