/** The response cache of an origin process: memory, then Redis, which all origins share. */
import { LRUCache } from "lru-cache";
import { isProblem } from "../../contract/problem.ts";
import type { CacheRoute } from "../../middleware/response-cache/cacheable.ts";
import { type Entry, lifetimeMs, windowsOf } from "../../middleware/response-cache/entry.ts";
import { createResponseCache } from "../../middleware/response-cache/index.ts";
import type { CacheSize } from "../config/values.ts";
import { createRedisEntries, type RedisEntriesOptions } from "./redis.ts";
import { createSharedFills } from "./shared-fills.ts";

export type OriginResponseCache = ReturnType<typeof createOriginResponseCache>;

interface OriginResponseCacheOptions extends Omit<RedisEntriesOptions, "maxLifetimeMs"> {
  readonly routes: readonly CacheRoute[];
  readonly size: CacheSize;
  /** For policies without a freshness, seconds. */
  readonly defaultFreshS: number;
  /** Within [0, 1). */
  readonly random: () => number;
}

export const createOriginResponseCache = (options: OriginResponseCacheOptions) => {
  const { routes, size, defaultFreshS, now, random } = options;
  const lifetimesMs = routes.map(({ policy }) =>
    policy.cache === undefined ? 0 : lifetimeMs(windowsOf(policy.cache, defaultFreshS)),
  );
  const memory = createMemoryStore(size);
  const redis = createRedisEntries({ ...options, maxLifetimeMs: Math.max(0, ...lifetimesMs) });
  const fills = createSharedFills(memory, redis, now);
  const cache = createResponseCache({ tier: "origin", store: memory, fills, now, random, defaultFreshS });
  return {
    handler: cache.handler,
    invalidate: (tags: readonly string[]): void => {
      cache.invalidate(tags);
      redis.invalidate(tags);
    },
    /** Publishes the invalidations that Redis does not have yet. */
    flush: redis.flush,
    usage: memory.usage,
  };
};

/** The limit if the configuration limits entries only, bytes. */
const MAX_BYTES = 64 * 1024 * 1024;
/** Negative entries have a limit of their own, so that guessed ids evict no response. */
const MAX_NEGATIVE_ENTRIES = 1_000;
const OVERHEAD_BYTES = 200;

/** Approximate: V8 stores a string in one or two bytes a unit. */
const sizeOf = ({ response, tags }: Entry, key: string): number => {
  const { body, ...others } = isProblem(response) ? { ...response, body: "" } : response;
  const length = typeof body === "string" ? body.length : 0;
  return 2 * (key.length + length + JSON.stringify([others, tags]).length) + OVERHEAD_BYTES;
};

const createMemoryStore = (size: CacheSize) => {
  const entries = new LRUCache<string, Entry>({
    ...("entries" in size ? { max: size.entries, maxSize: MAX_BYTES } : { maxSize: size.bytes }),
    sizeCalculation: sizeOf,
  });
  const negative = new LRUCache<string, Entry>({ max: MAX_NEGATIVE_ENTRIES });
  return {
    get: (key: string): Entry | undefined => entries.get(key) ?? negative.get(key),
    put: (key: string, entry: Entry): void => {
      const [store, other] = isProblem(entry.response) ? [negative, entries] : [entries, negative];
      const present = store.peek(key) ?? other.peek(key);
      // Two fills may end in another order than they began.
      if (present !== undefined && present.asOfMs > entry.asOfMs) return;
      other.delete(key);
      store.set(key, entry);
    },
    usage: () => ({ entries: entries.size, bytes: entries.calculatedSize }),
  };
};
