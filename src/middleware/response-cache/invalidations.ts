/**
 * The tags that writes have invalidated, and when, as a process or an isolate remembers them. Its memory is bounded:
 * forgotten tags count as invalidated at the latest moment that was forgotten, so no old response passes as new.
 */
import type { Policy } from "../../contract/policy.ts";

export interface Invalidations {
  /** The current moment: milliseconds that never go back, and always later than the last invalidation. */
  now(): number;
  /** Invalidates all responses that were made under the tags until now. */
  invalidate(tags: readonly string[]): void;
  /** Whether a response that reflects all writes until that moment predates a write to one of the tags. */
  isInvalidated(tags: readonly string[], asOfMs: number): boolean;
  /** The age below which no known write has invalidated a response, seconds; undefined if any age will do. */
  maxAgeS(tags: readonly string[]): number | undefined;
}

/** Separates an invalidation from later events of the same millisecond; a power of two, so that sums are exact. */
const STEP_MS = 2 ** -10;

/** @param now epoch milliseconds @param maxTags most tags remembered */
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

/** A longer tag is truncated, and then shared with others. */
const MAX_LENGTH = 300;

/**
 * The one form of a tag: visible ASCII without a comma, so that tags fit into a list in a header field, and lower case. If
 * two resources differ in case alone, a write to one invalidates both, which costs a fill and never serves an old response.
 */
const normal = (tag: string): string =>
  tag
    .toWellFormed()
    .toLowerCase()
    .replace(/[^\x21-\x2b\x2d-\x7e]/gu, encodeURIComponent)
    .toLowerCase()
    .slice(0, MAX_LENGTH);

const decoded = (segment: string): string => {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
};

/** @returns the tags of a path of the route: `products/:id` of `/v1/products/7` is `products/7` */
export const tagsFor = (
  route: Readonly<{ path: string; policy: Policy }>,
): ((path: string) => readonly string[]) => {
  const tags = (route.policy.cache?.tags ?? []).map(normal);
  if (!tags.some((tag) => tag.includes(":"))) return () => tags;
  const names = route.path.split("/").map(normal);
  return (path) => {
    const segments = path.split("/");
    const filled = (part: string): string => {
      const index = part.startsWith(":") ? names.indexOf(part) : -1;
      return index < 0 ? part : decoded(segments[index] ?? "");
    };
    return tags.map((tag) => normal(tag.split("/").map(filled).join("/")));
  };
};

/**
 * The form of a tag that a handler invalidates.
 *
 * @throws TypeError for an empty one
 */
export const writtenTag = (tag: string): string => {
  if (tag === "") throw new TypeError("a tag must not be empty");
  return normal(tag);
};

/** As one header field, from the origin to the edge. */
export const writeTags = (tags: Iterable<string>): string => [...tags].join(", ");

export const readTags = (field: string): string[] =>
  field
    .split(",")
    .map((tag) => tag.trim())
    .filter((tag) => tag !== "" && tag === normal(tag));
