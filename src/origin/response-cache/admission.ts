/**
 * Which entries Redis gets: those that were asked for before, by any origin, and a bounded number of each process. A client
 * that asks for ever other things fills neither Redis nor the memory of limits and keys, which it also holds.
 */
import { createHash } from "node:crypto";
import { LRUCache } from "lru-cache";
import type { RedisStore } from "../redis/store.ts";

/**
 * Sets bit ARGV[1] of KEYS[1], which lives for ARGV[2] milliseconds from its first bit.
 *
 * A doorkeeper of fixed size: "TinyLFU" (Einziger, Friedman, Manes, ACM ToS 13(4), 2017) §3.4.2.
 */
export const MARK_ASKED = `
local before = redis.call('SETBIT', KEYS[1], ARGV[1], 1)
if redis.call('PTTL', KEYS[1]) < 0 then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return tostring(before)`;

/** 128 KiB. Keys that share a bit only reach Redis early. */
const BITS = 2 ** 20;
/** After this time all keys count as new, milliseconds. */
const MEMORY_MS = 600_000;
/** Of the entries in Redis that this process has written, UTF-16 units and number. */
const MAX_LENGTH = 16 * 1024 * 1024;
const MAX_ENTRIES = 10_000;

export interface AdmissionOptions {
  readonly redis: Pick<RedisStore, "evaluate">;
  readonly keyPrefix: string;
  /** Called with the name of an entry that is one too many. */
  readonly onEvicted: (name: string) => void;
}

export const createAdmission = ({ redis, keyPrefix, onEvicted }: AdmissionOptions) => {
  const written = new LRUCache<string, number>({
    max: MAX_ENTRIES,
    maxSize: MAX_LENGTH,
    sizeCalculation: (length, name) => length + name.length,
    dispose: (_, name, reason) => {
      if (reason === "evict") onEvicted(name);
    },
  });
  const bitOf = (key: string): string =>
    String(createHash("sha256").update(key).digest().readUInt32BE() % BITS);

  return {
    /** Notes that the key is asked for. @returns whether it was before */
    isAskedAgain: async (key: string): Promise<boolean> =>
      (await redis.evaluate(MARK_ASKED, [`${keyPrefix}cache-asked`], [bitOf(key), String(MEMORY_MS)])) ===
      "1",
    /** @param length of the entry, UTF-16 units */
    write: (name: string, length: number): void => void written.set(name, length),
  };
};
