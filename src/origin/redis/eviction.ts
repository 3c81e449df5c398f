/** What Redis does when it is full: it holds limits, keys and blocks beside cached responses. */
import type { OriginLog } from "../log/log.ts";
import type { RedisStore } from "./store.ts";

/** These evict what was not used for longest, or least often, of what has a lifetime: cached responses. */
const FITTING = ["volatile-lru", "volatile-lfu"];

/** @param info of Redis, section memory @returns undefined if nothing is wrong, or Redis does not say */
export const evictionFault = (info: string): string | undefined => {
  const policy = /^maxmemory_policy:(\S+)/m.exec(info)?.[1];
  const maxBytes = Number(/^maxmemory:(\d+)/m.exec(info)?.[1] ?? 0);
  if (policy === undefined || maxBytes === 0 || FITTING.includes(policy)) return undefined;
  if (policy === "noeviction")
    return "rejects all writes when it is full, limits and published keys included";
  return policy.startsWith("allkeys")
    ? "may evict limits, published keys and blocks instead of cached responses"
    : "may evict limits, nonces and published keys before cached responses";
};

/** A managed Redis may forbid the question. */
export const warnOfEviction = async (redis: Pick<RedisStore, "info">, log: OriginLog): Promise<void> => {
  try {
    const fault = evictionFault(await redis.info("memory"));
    if (fault === undefined) return;
    log.warn({ remedy: "set maxmemory-policy to volatile-lru" }, `Redis ${fault}: wrong maxmemory-policy`);
  } catch (error) {
    log.debug({ err: error }, "Redis does not report its maxmemory-policy");
  }
};
