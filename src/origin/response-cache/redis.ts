/**
 * The entries that all origins share, in Redis. An entry has the versions that its tags had before it was filled; an
 * invalidation raises them. Redis may be down, slow or emptied at any time: then each process fills for itself.
 */
import * as z from "zod/mini";
import { isProblem } from "../../contract/problem.ts";
import { sleep, withTimeout } from "../../lib/async.ts";
import { type Entry, freshnessOf, lifetimeMs } from "../../middleware/response-cache/entry.ts";
import { FILL_LEASE_MS, type FillRequest } from "../../middleware/response-cache/ports.ts";
import type { OriginLog } from "../log/log.ts";
import type { RedisStore } from "../redis/store.ts";
import { createAdmission } from "./admission.ts";
import { EVERYTHING, PendingInvalidations } from "./pending-invalidations.ts";

/** The right to fill for all origins, and the versions of the tags before that. */
interface Claim {
  readonly lease: string;
  readonly versions: readonly number[];
}

type ClaimRequest = Pick<FillRequest, "key" | "tags" | "accepts" | "moment">;

export type RedisEntries = ReturnType<typeof createRedisEntries>;

export interface RedisEntriesOptions {
  readonly redis: Pick<RedisStore, "claimAndRead" | "evaluate" | "set" | "remove">;
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
/** Incremented with every change of the stored form, or of the keys. */
const FORMAT = 3;

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
    return storedEntry.safeParse(JSON.parse(text ?? "null")).data;
  } catch {
    return undefined;
  }
};

const versioned = (tags: readonly string[]): string[] => [EVERYTHING, ...tags];

export const createRedisEntries = (options: RedisEntriesOptions) => {
  const { redis, keyPrefix, programVersion, maxLifetimeMs, log, now } = options;
  const versionLifetimeMs = maxLifetimeMs + VERSION_MARGIN_MS;
  const pending = new PendingInvalidations(versionLifetimeMs, now);
  const entryName = (key: string): string => `${keyPrefix}cache:${FORMAT}:${programVersion}:${key}`;
  const leaseName = (key: string): string => `${keyPrefix}cache-lease:${FORMAT}:${programVersion}:${key}`;
  const tagName = (tag: string): string => `${keyPrefix}cache-tag:${tag}`;
  let flushing: Promise<void> | undefined;

  /** In the background: a failure only leaves Redis without the change. */
  const quietly = (work: Promise<unknown>): void =>
    void work.catch((error: unknown) => log.debug({ err: error }, "response cache: Redis command failed"));

  const admission = createAdmission({ redis, keyPrefix, onEvicted: (name) => quietly(redis.remove(name)) });

  /** Ends a process's own lease only. */
  const release = (key: string, lease: string): Promise<unknown> =>
    redis.evaluate(REMOVE_IF_EQUAL, [leaseName(key)], [lease]);

  const publishPending = async (): Promise<void> => {
    for (let batch = pending.batch(); batch.length > 0; batch = pending.batch()) {
      const names = batch.map(([tag]) => tagName(tag));
      const values = [String(now()), String(versionLifetimeMs)];
      const versions = await redis.evaluate(RAISE_VERSIONS, names, values);
      if (!Array.isArray(versions)) throw new TypeError("Redis returned no versions");
      for (const [index, [tag, id]] of batch.entries()) pending.publish(tag, id, Number(versions[index]));
    }
  };

  const flush = async (): Promise<void> => {
    flushing ??= publishPending().finally(() => {
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
    // It has the present versions, and is no older than this process's own invalidations.
    const isCurrent = versioned(tags).every((tag, index) => {
      const version = stored?.versions[index] ?? 0;
      return version === versions[index] && version >= pending.minVersion(tag);
    });
    return {
      claim: found.claimed ? { lease, versions } : undefined,
      entry: isCurrent ? stored : undefined,
    };
  };

  const store = async (
    key: string,
    versions: readonly number[],
    entry: Entry,
    isShared: boolean,
  ): Promise<void> => {
    const { response, generatedAtMs, windows, tags } = entry;
    const name = entryName(key);
    if (isProblem(response)) return await redis.remove(name);
    const text = JSON.stringify({ response, generatedAtMs, windows, tags, versions });
    if (text.length > MAX_LENGTH) return;
    const isAskedAgain = await admission.isAskedAgain(key);
    if (!isShared && !isAskedAgain) return;
    admission.write(name, text.length);
    await redis.set(name, text, Math.ceil(lifetimeMs(windows)));
  };

  return {
    /**
     * Waits for an entry that the request accepts, or for the right to fill.
     *
     * @returns undefined if Redis does not answer, or cannot be trusted: then the process fills for itself
     */
    claim: async (request: ClaimRequest): Promise<Entry | Claim | undefined> => {
      const { key, tags } = request;
      for (let polls = 0; polls < MAX_POLLS; polls += 1) {
        if (pending.has(tags)) {
          quietly(flush());
          return undefined;
        }
        const asOfMs = request.moment();
        const found = await look(key, tags);
        if (found === undefined) return undefined;
        const { claim, entry } = found;
        if (entry !== undefined && request.accepts({ ...entry, asOfMs })) {
          const freshness = freshnessOf(now() - entry.generatedAtMs, entry.windows);
          // Another origin is about to replace a stale entry whose lease it has.
          if (freshness === "fresh" || (freshness === "revalidate" && claim === undefined)) {
            if (claim !== undefined) quietly(release(key, claim.lease));
            return { ...entry, asOfMs };
          }
        }
        if (claim !== undefined) return claim;
        // The origin that has the lease stores its entry for this one.
        if (polls === 0) quietly(admission.isAskedAgain(key));
        await sleep(POLL_INTERVAL_MS);
      }
      return undefined;
    },
    /**
     * Stores the entry, if the fill made one, then ends the claim: waiting origins look for the entry at that moment.
     *
     * @param isShared whether several requests have asked for it; else it is stored if one has before
     */
    settle: (key: string, { lease, versions }: Claim, entry: Entry | undefined, isShared: boolean): void => {
      const storing = entry === undefined ? Promise.resolve() : store(key, versions, entry, isShared);
      quietly(storing.finally(() => release(key, lease)));
    },
    /** Invalidates the tags for all origins, now or when Redis answers again. */
    invalidate: (tags: readonly string[]): void => {
      pending.add(tags);
      quietly(flush());
    },
    flush,
  };
};

/**
 * Raises the versions of the tags KEYS to ARGV[1], or to the present version plus 1, for ARGV[2] milliseconds. Proposed
 * versions are times, so that they still rise if Redis has lost the present ones.
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
