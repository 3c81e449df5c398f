/**
 * The ids of revoked keys, in Redis besides the database: a restored database has the keys that were revoked after its
 * backup as valid ones. Redis is another system than PostgreSQL, every origin writes to it within seconds of a revocation,
 * and an emptied Redis gets the whole list from the database with the next snapshot.
 */
import type { Database } from "../db/database.ts";
import type { RedisStore } from "../redis/store.ts";

interface ListTarget {
  readonly redis: Pick<RedisStore, "evaluate">;
  readonly keyPrefix: string;
}

/** Backups have to be younger, days: older revocations are in them. */
const KEPT_DAYS = 100;
const DAY_MS = 86_400_000;
/** A field that is no id: with it, the list is complete even if it is empty. */
const WRITTEN = "@written";

const listName = (keyPrefix: string): string => `${keyPrefix}revoked-keys`;

const REVOKED = `SELECT id, extract(epoch FROM revoked_at)::float8 * 1000 AS "atMs" FROM api_keys
  WHERE revoked_at > now() - interval '${KEPT_DAYS} days'`;

/** Only adds the pairs ARGV[2…] of ids and times to the hash, and removes what is from before ARGV[1]. */
const ADD = `
for _, id in ipairs(redis.call('HKEYS', KEYS[1])) do
  if tonumber(redis.call('HGET', KEYS[1], id)) < tonumber(ARGV[1]) then redis.call('HDEL', KEYS[1], id) end
end
for i = 2, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
return 'OK'`;

export const listRevocations = async (database: Database, target: ListTarget): Promise<void> => {
  const rows = await database.query<{ id: string; atMs: number }>(REVOKED);
  const nowMs = Date.now();
  const pairs = [[WRITTEN, nowMs] as const, ...rows.map(({ id, atMs }) => [id, Math.round(atMs)] as const)];
  const values = [nowMs - KEPT_DAYS * DAY_MS, ...pairs.flat()].map(String);
  await target.redis.evaluate(ADD, [listName(target.keyPrefix)], values);
};

/** @returns the ids; undefined if Redis has no list, because it was emptied */
export const readRevocations = async ({ redis, keyPrefix }: ListTarget): Promise<string[] | undefined> => {
  const fields = await redis.evaluate("return redis.call('HKEYS', KEYS[1])", [listName(keyPrefix)], []);
  const names = Array.isArray(fields) ? fields.map(String) : [];
  return names.includes(WRITTEN) ? names.filter((name) => name !== WRITTEN) : undefined;
};
