/**
 * The invalidations by this process, so that it never takes an older entry from Redis: which ones Redis does not know yet,
 * and the versions of the others.
 */

export interface PendingInvalidation {
  readonly tag: string;
  /** Tells it from later ones of the same tag. */
  readonly id: number;
}

export interface PendingInvalidations {
  add(tags: readonly string[]): void;
  /** Some that Redis does not know; empty if it knows all. */
  batch(): readonly PendingInvalidation[];
  /** Redis knows this one. */
  publish(pending: PendingInvalidation, version: number, nowMs: number): void;
  /** Whether Redis may have entries under these tags that this process has invalidated. */
  has(tags: readonly string[]): boolean;
  /** The lowest version that an entry may have under this tag. */
  minVersion(tag: string, nowMs: number): number;
}

/** The tag of every entry. */
export const EVERYTHING = "*";
const BATCH_SIZE = 100;
const MAX_TAGS = 10_000;

/** @param lifetimeMs of entries: a version that was published earlier matters to none */
export const createPendingInvalidations = (lifetimeMs: number): PendingInvalidations => {
  const pending = new Map<string, number>();
  const published = new Map<string, { readonly version: number; readonly atMs: number }>();
  let lastId = 0;

  return {
    add: (tags) => {
      lastId += 1;
      for (const tag of tags) pending.set(tag, lastId);
      if (pending.size <= MAX_TAGS) return;
      pending.clear();
      pending.set(EVERYTHING, lastId);
    },
    batch: () => [...pending].slice(0, BATCH_SIZE).map(([tag, id]) => ({ tag, id })),
    publish: ({ tag, id }, version, atMs) => {
      if (pending.get(tag) === id) pending.delete(tag);
      // Deleted first, so that the map is ordered by time.
      published.delete(tag);
      published.set(tag, { version, atMs });
      const [oldest] = published.keys();
      if (published.size > MAX_TAGS && oldest !== undefined) published.delete(oldest);
    },
    has: (tags) => pending.size > 0 && (pending.has(EVERYTHING) || tags.some((tag) => pending.has(tag))),
    minVersion: (tag, nowMs) => {
      const { version = 0, atMs = nowMs } = published.get(tag) ?? {};
      return nowMs - atMs < lifetimeMs ? version : 0;
    },
  };
};
