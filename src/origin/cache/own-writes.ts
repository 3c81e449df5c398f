/**
 * What this process has made old itself, so that it never takes an old answer from what others have kept: by which
 * version in Redis, or that Redis has not been told yet.
 */

export interface OwnWrites {
  /** Redis is still to be told of these tags. */
  note(tags: readonly string[]): void;
  /** Some tags that Redis is still to be told of; none where it knows all. */
  pending(): readonly PendingWrite[];
  /** Redis has been told of this one. */
  published(write: PendingWrite, version: number, nowMs: number): void;
  /** Whether anything that is kept in Redis under these tags may be older than a write of this process. */
  isUntold(tags: readonly string[]): boolean;
  /** The version that an answer has to have under this tag at least. */
  versionOf(tag: string, nowMs: number): number;
}

export interface PendingWrite {
  readonly tag: string;
  /** The number of the write: a later one to the same tag is another. */
  readonly write: number;
}

interface Published {
  readonly version: number;
  readonly atMs: number;
}

/** So many tags are told of at once. */
const BATCH = 100;
const MAX_TAGS = 10_000;
/** Under this tag is everything. */
export const EVERYTHING = "*";

/** @param lifetimeMs the longest that an answer is kept: what was written before that no answer can be older than */
export const createOwnWrites = (lifetimeMs: number): OwnWrites => {
  const pending = new Map<string, number>();
  const published = new Map<string, Published>();
  let writes = 0;

  const setPublished = (tag: string, entry: Published): void => {
    published.delete(tag);
    published.set(tag, entry);
    const [oldest] = published.keys();
    if (published.size > MAX_TAGS && oldest !== undefined) published.delete(oldest);
  };

  return {
    note: (tags) => {
      writes += 1;
      for (const tag of tags) pending.set(tag, writes);
      if (pending.size <= MAX_TAGS) return;
      // Too many to remember: one for all of them.
      pending.clear();
      pending.set(EVERYTHING, writes);
    },
    pending: () => [...pending.entries()].slice(0, BATCH).map(([tag, write]) => ({ tag, write })),
    published: ({ tag, write }, version, nowMs) => {
      setPublished(tag, { version, atMs: nowMs });
      if (pending.get(tag) === write) pending.delete(tag);
    },
    isUntold: (tags) => pending.size > 0 && (pending.has(EVERYTHING) || tags.some((tag) => pending.has(tag))),
    versionOf: (tag, nowMs) => {
      const known = published.get(tag);
      return known !== undefined && nowMs - known.atMs < lifetimeMs ? known.version : 0;
    },
  };
};
