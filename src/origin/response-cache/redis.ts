/**
 * The entries that all origins share, in Redis. An entry has the versions that its tags had before it was filled; an
 * invalidation raises them. Redis may be down, slow or emptied at any time: then each process fills for itself.
 */
import { LRUCache } from "lru-cache";
import * as z from "zod/mini";
import { isProblem } from "../../contract/problem.ts";
import { sleep, withTimeout } from "../../lib/async.ts";
import { type Entry, freshnessOf, lifetimeMs } from "../../middleware/response-cache/entry.ts";
import { FILL_LEASE_MS, type FillRequest } from "../../middleware/response-cache/ports.ts";
import type { OriginLog } from "../log/log.ts";
import type { RedisStore } from "../redis/store.ts";

/** The right to fill for all origins, and the versions of the tags before that. */
export interface Claim {
  readonly lease: string;
  readonly versions: readonly number[];
}

export interface RedisEntries {
  /**
   * Waits for an entry that the request accepts, or for the right to fill.
   *
   * @returns undefined if Redis does not answer, or cannot be trusted: then the process fills for itself
   */
  claim(request: FillRequest): Promise<Entry | Claim | undefined>;
  /** Stores the entry, if the fill made one, then ends the claim. */
  settle(key: string, claim: Claim, entry: Entry | undefined): void;
  /** Invalidates the tags for all origins, now or when Redis answers again. */
  invalidate(tags: readonly string[]): void;
  /** Publishes pending invalidations. */
  flush(): Promise<void>;
}

export interface RedisEntriesOptions {
  readonly redis: RedisStore;
  readonly keyPrefix: string;
  /** Each version of the program has entries of its own: its responses may differ. */
  readonly programVersion: string;
  /** The longest lifetime of an entry, milliseconds. */
  readonly maxLifetimeMs: number;
  readonly log: OriginLog;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

/** No request waits longer for one command, milliseconds. */
const WAIT_MS = 100;
const POLL_INTERVAL_MS = 25;
const MAX_POLLS = FILL_LEASE_MS / POLL_INTERVAL_MS;
/** A longer entry is stored by each process alone, UTF-16 units. */
const MAX_LENGTH = 128 * 1024;
/** Versions outlive the entries that have them, milliseconds. */
const VERSION_MARGIN_MS = 60_000;
/** Incremented with every change of the stored form. */
const FORMAT = 2;

const storedEntry = z.object({
  response: z.object({
    status: z.literal(200),
    headers: z.record(z.string(), z.string()),
    body: z.nullable(z.string()),
  }),
  generatedAtMs: z.number(),
  windows: z.object({ freshMs: z.number(), staleWhileRevalidateMs: z.number(), staleIfErrorMs: z.number() }),
  tags: z.array(z.string()),
  versions: z.array(z.number()),
});

const parse = (text: string | null | undefined): z.output<typeof storedEntry> | undefined => {
  try {
    return text ? storedEntry.safeParse(JSON.parse(text)).data : undefined;
  } catch {
    return undefined;
  }
};

const versioned = (tags: readonly string[]): string[] => [EVERYTHING, ...tags];

export const createRedisEntries = (options: RedisEntriesOptions): RedisEntries => {
  const { redis, keyPrefix, programVersion, maxLifetimeMs, log, now } = options;
  const versionLifetimeMs = maxLifetimeMs + VERSION_MARGIN_MS;
  const pending = new PendingInvalidations(versionLifetimeMs, now);
  const entryName = (key: string): string => `${keyPrefix}cache:${FORMAT}:${programVersion}:${key}`;
  const leaseName = (key: string): string => `${keyPrefix}cache-lease:${FORMAT}:${programVersion}:${key}`;
  const tagName = (tag: string): string => `${keyPrefix}cache-tag:${tag}`;
  let flushing: Promise<void> | undefined;

  /** In the background: what fails is missing in Redis, and nowhere else. */
  const quietly = (work: Promise<unknown>): void =>
    void work.catch((error: unknown) => log.debug({ err: error }, "response cache: Redis command failed"));

  /** Ends a process's own lease only. */
  const release = (key: string, lease: string): Promise<unknown> =>
    redis.evaluate(REMOVE_IF_EQUAL, [leaseName(key)], [lease]);

  const flushOnce = async (): Promise<void> => {
    for (let batch = pending.batch(); batch.length > 0; batch = pending.batch()) {
      const names = batch.map(({ tag }) => tagName(tag));
      const versions = await redis.evaluate(RAISE_VERSIONS, names, [
        String(now()),
        String(versionLifetimeMs),
      ]);
      if (!Array.isArray(versions)) throw new TypeError("Redis returned no versions");
      for (const [index, each] of batch.entries()) pending.publish(each, Number(versions[index]));
    }
  };

  const flush = async (): Promise<void> => {
    flushing ??= flushOnce().finally(() => {
      flushing = undefined;
    });
    await flushing;
  };

  /** Takes the lease, if it is free, and reads the entry and its tags' versions after that. */
  const look = async (key: string, tags: readonly string[]) => {
    const lease = crypto.randomUUID();
    const names = [entryName(key), ...versioned(tags).map(tagName)];
    const claiming = redis.claimAndRead({ name: leaseName(key), value: lease, ttlMs: FILL_LEASE_MS }, names);
    const found = await withTimeout(claiming, WAIT_MS).catch(() => undefined);
    if (found === undefined) {
      // A late lease would only block the other origins.
      quietly(claiming.then(({ claimed }) => (claimed ? release(key, lease) : undefined)));
      return undefined;
    }
    const [text, ...texts] = found.values;
    const versions = texts.map(Number);
    const stored = parse(text);
    // Of the present versions, and no older than this process's own invalidations.
    const isCurrent = versioned(tags).every((tag, index) => {
      const version = stored?.versions[index] ?? 0;
      return version === versions[index] && version >= pending.minVersion(tag);
    });
    return {
      claim: found.claimed ? { lease, versions } : undefined,
      entry: isCurrent ? stored : undefined,
    };
  };

  return {
    claim: async ({ key, tags, accepts, moment }) => {
      for (let polls = 0; polls < MAX_POLLS; polls += 1) {
        if (pending.has(tags)) {
          quietly(flush());
          return undefined;
        }
        const asOfMs = moment();
        const found = await look(key, tags);
        if (found === undefined) return undefined;
        const { claim, entry } = found;
        if (entry !== undefined && accepts({ ...entry, asOfMs })) {
          const freshness = freshnessOf(now() - entry.generatedAtMs, entry.windows);
          // Another origin is about to replace a stale entry whose lease it has.
          if (freshness === "fresh" || (freshness === "revalidate" && claim === undefined)) {
            if (claim !== undefined) quietly(release(key, claim.lease));
            return { ...entry, asOfMs };
          }
        }
        if (claim !== undefined) return claim;
        await sleep(POLL_INTERVAL_MS);
      }
      return undefined;
    },
    settle: (key, { lease, versions }, entry) => {
      const end = (): Promise<unknown> => release(key, lease);
      if (entry === undefined) return quietly(end());
      const { response, generatedAtMs, windows, tags } = entry;
      if (isProblem(response)) return quietly(redis.remove(entryName(key)).finally(end));
      const text = JSON.stringify({ response, generatedAtMs, windows, tags, versions });
      if (text.length > MAX_LENGTH) return quietly(end());
      // Waiting origins look for the entry when the lease ends.
      quietly(redis.set(entryName(key), text, Math.ceil(lifetimeMs(windows))).finally(end));
    },
    invalidate: (tags) => {
      pending.add(tags);
      quietly(flush());
    },
    flush,
  };
};

/**
 * Raises the versions of tags: each to the proposed version, or to the present one plus 1. Versions are milliseconds as
 * a rule, so that they still rise if Redis has lost them.
 *
 * KEYS are the tags' names; ARGV the proposed version, and the versions' lifetime, milliseconds.
 */
export const RAISE_VERSIONS = `
local versions = {}
for i, key in ipairs(KEYS) do
  local version = tonumber(ARGV[1])
  local present = tonumber(redis.call('GET', key) or '0')
  if present >= version then version = present + 1 end
  redis.call('SET', key, string.format('%.0f', version), 'PX', ARGV[2])
  versions[i] = string.format('%.0f', version)
end
return versions`;

/** Removes KEYS[1] if its value is ARGV[1]. */
export const REMOVE_IF_EQUAL = `
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0`;

interface PendingInvalidation {
  readonly tag: string;
  /** Distinguishes it from later ones of the same tag. */
  readonly id: number;
}

/** The tag of every entry. */
const EVERYTHING = "*";
const BATCH_SIZE = 100;
const MAX_TAGS = 10_000;

/** The invalidations of this process: those that Redis does not know yet, and the versions of those that it does. */
class PendingInvalidations {
  readonly #pending = new Map<string, number>();
  readonly #published: LRUCache<string, number>;
  #lastId = 0;

  /**
   * @param lifetimeMs of entries: a version that was published earlier matters to none
   * @param now epoch milliseconds
   */
  constructor(lifetimeMs: number, now: () => number) {
    this.#published = new LRUCache({ max: MAX_TAGS, ttl: lifetimeMs, ttlResolution: 0, perf: { now } });
  }

  add(tags: readonly string[]): void {
    this.#lastId += 1;
    for (const tag of tags) this.#pending.set(tag, this.#lastId);
    if (this.#pending.size <= MAX_TAGS) return;
    this.#pending.clear();
    this.#pending.set(EVERYTHING, this.#lastId);
  }

  /** Some that Redis does not know; empty if it knows all. */
  batch(): PendingInvalidation[] {
    return [...this.#pending].slice(0, BATCH_SIZE).map(([tag, id]) => ({ tag, id }));
  }

  /** Redis has raised the tag to this version. */
  publish({ tag, id }: PendingInvalidation, version: number): void {
    if (this.#pending.get(tag) === id) this.#pending.delete(tag);
    this.#published.set(tag, version);
  }

  /** Whether Redis may have entries under these tags that this process has invalidated. */
  has(tags: readonly string[]): boolean {
    return this.#pending.has(EVERYTHING) || tags.some((tag) => this.#pending.has(tag));
  }

  /** The lowest version that an entry may have under this tag. */
  minVersion(tag: string): number {
    return this.#published.get(tag) ?? 0;
  }
}
