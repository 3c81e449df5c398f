/**
 * The second level: Redis, which all origins share. An answer there carries the versions that its tags had before
 * it was made; a write raises them. Redis may be away, slow or emptied at any time: then there is no second level.
 */

import * as z from "zod/mini";
import { withTimeout } from "../../lib/async.ts";
import type { OriginLog } from "../log/log.ts";
import type { RedisStore } from "../redis/store.ts";
import type { CachedAnswer } from "./cached-answer.ts";
import { createOwnWrites, EVERYTHING } from "./own-writes.ts";
import { RAISE_VERSIONS, REMOVE_IF_EQUAL } from "./scripts.ts";

/** What is there for a key, what its tags' versions are now, and who is to make the answer. */
export interface Look {
  /** This process is, who has the key's lease, and has to store or to release; undefined where another has it. */
  readonly lease: string | undefined;
  readonly answer: CachedAnswer | undefined;
  /** In the order of `versioned(tags)`. */
  readonly versions: readonly number[];
}

export type Owned = Look & { readonly lease: string };

export interface LevelTwo {
  /** Takes the key's lease where it is free, and looks. Undefined where Redis does not say, or is not to be believed. */
  look(key: string, tags: readonly string[]): Promise<Look | undefined>;
  release(key: string, lease: string): void;
  /** Keeps the answer, then releases the key. @param look the one after which it began to be made */
  store(key: string, answer: CachedAnswer, look: Owned, lifetimeMs: number): void;
  /** Forgets the answer: there is none any more. */
  remove(key: string): void;
  /** Tells Redis what a write has made old, now or when it answers again. */
  invalidate(tags: readonly string[]): void;
  /** Tells it what it has not been told yet. */
  flush(): Promise<void>;
}

export interface LevelTwoOptions {
  readonly redis: RedisStore;
  /** With which every key begins. Another version of the program has others: its answers may look different. */
  readonly keyPrefix: string;
  readonly programVersion: string;
  /** The longest that any answer is kept, milliseconds. */
  readonly longestLifetimeMs: number;
  readonly log: OriginLog;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

/** Longer than this no request waits for the second level at a time, milliseconds. */
const WAIT_MS = 100;
/** Who makes an answer for all origins has so long, milliseconds; then another one does. */
export const LEASE_MS = 1_000;
/** An answer that is longer is kept by each process alone, UTF-16 units. */
const MAX_LENGTH = 128 * 1024;
/** Versions outlive the answers that they belong to, milliseconds. */
const VERSION_MARGIN_MS = 60_000;
/** Raised when what is written changes its form. */
const FORMAT = 1;

const written = z.object({
  answer: z.object({
    status: z.number(),
    content: z.string(),
    headers: z.record(z.string(), z.string()),
    generatedAtMs: z.number(),
    windows: z.object({
      freshMs: z.number(),
      staleWhileRevalidateMs: z.number(),
      staleIfErrorMs: z.number(),
    }),
    tags: z.array(z.string()),
  }),
  versions: z.array(z.number()),
});

const parse = (text: string | null | undefined): z.output<typeof written> | undefined => {
  if (!text) return undefined;
  try {
    return written.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
};

const versioned = (tags: readonly string[]): string[] => [EVERYTHING, ...tags];

export const createLevelTwo = (options: LevelTwoOptions): LevelTwo => {
  const { redis, keyPrefix, programVersion, longestLifetimeMs, log, now } = options;
  const lifetimeMs = longestLifetimeMs + VERSION_MARGIN_MS;
  const own = createOwnWrites(lifetimeMs);
  const answerName = (key: string): string => `${keyPrefix}cache:${FORMAT}:${programVersion}:${key}`;
  const leaseName = (key: string): string => `${keyPrefix}cache-lease:${FORMAT}:${programVersion}:${key}`;
  const tagName = (tag: string): string => `${keyPrefix}cache-tag:${tag}`;
  let flushing: Promise<void> | undefined;

  /** In the background: what fails is missing, no more. */
  const quietly = (work: Promise<unknown>): void =>
    void work.catch((error: unknown) => log.debug({ err: error }, "the second level was not written"));

  const bounded = <T>(work: Promise<T>): Promise<T | undefined> =>
    withTimeout(
      work.catch(() => undefined),
      WAIT_MS,
      { fallback: undefined },
    );

  /** Whether the answer is of the tags' present versions, and not older than a write of this process. */
  const isCurrent = (tags: readonly string[], kept: readonly number[], present: readonly number[]): boolean =>
    versioned(tags).every(
      (tag, index) => kept[index] === present[index] && (kept[index] ?? 0) >= own.versionOf(tag, now()),
    );

  const mayKeep = ({ content, tags }: CachedAnswer, versions: readonly number[]): boolean =>
    content.length <= MAX_LENGTH && !own.isUntold(tags) && isCurrent(tags, versions, versions);

  const flushOnce = async (): Promise<void> => {
    for (let writes = own.pending(); writes.length > 0; writes = own.pending()) {
      const names = writes.map(({ tag }) => tagName(tag));
      const versions = await redis.evaluate(RAISE_VERSIONS, names, [String(now()), String(lifetimeMs)]);
      if (!Array.isArray(versions)) throw new TypeError("Redis did not say the tags' versions");
      for (const [index, write] of writes.entries()) own.published(write, Number(versions[index]), now());
    }
  };

  /** Gives back one's own lease, and nobody else's. */
  const giveBack = (key: string, lease: string): Promise<unknown> =>
    redis.evaluate(REMOVE_IF_EQUAL, [leaseName(key)], [lease]);

  /** What is had too late is of no use, and would hold others up. */
  const claimInTime = async (key: string, lease: string, names: readonly string[]) => {
    const claiming = redis.claimAndRead({ name: leaseName(key), value: lease, ttlMs: LEASE_MS }, names);
    const claimed = await bounded(claiming);
    if (claimed === undefined)
      quietly(claiming.then((late) => (late.claimed ? giveBack(key, lease) : undefined)));
    return claimed;
  };

  const flush = async (): Promise<void> => {
    flushing ??= flushOnce().finally(() => {
      flushing = undefined;
    });
    await flushing;
  };

  return {
    look: async (key, tags) => {
      if (own.isUntold(tags)) {
        quietly(flush());
        return undefined;
      }
      const names = [answerName(key), ...versioned(tags).map(tagName)];
      const lease = crypto.randomUUID();
      // The lease first: what is there by then has not to be made once more.
      const found = await claimInTime(key, lease, names);
      if (found === undefined) return undefined;
      const { claimed, values } = found;
      // A write may have come while it was asked for.
      if (own.isUntold(tags)) {
        if (claimed) quietly(giveBack(key, lease));
        return undefined;
      }
      const [text, ...texts] = values;
      const versions = texts.map(Number);
      const kept = parse(text);
      return {
        lease: claimed ? lease : undefined,
        answer: kept !== undefined && isCurrent(tags, kept.versions, versions) ? kept.answer : undefined,
        versions,
      };
    },
    release: (key, lease) => quietly(giveBack(key, lease)),
    store: (key, answer, { lease, versions }, answerLifetimeMs) => {
      const release = (): Promise<unknown> => giveBack(key, lease);
      if (!mayKeep(answer, versions)) return quietly(release());
      const text = JSON.stringify({ answer, versions });
      const ttlMs = Math.max(1, Math.ceil(answerLifetimeMs));
      // One after the other: who waits for the lease is to find the answer.
      quietly(redis.set(answerName(key), text, ttlMs).finally(release));
    },
    remove: (key) => quietly(redis.remove(answerName(key))),
    invalidate: (tags) => {
      own.note(tags);
      quietly(flush());
    },
    flush,
  };
};
