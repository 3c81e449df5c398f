/** The origins' data in Redis for the edge. */
import { publishedKeysName, VERSION_FIELD, writeKeyRecord } from "../../../src/middleware/auth/api-keys.ts";
import { publishedBlocklistName, writeParts } from "../../../src/middleware/blocklist/snapshot.ts";
import {
  overrideField,
  publishedOverridesName,
  writeOverride,
} from "../../../src/middleware/rate-limit/limit-store.ts";
import { createLog } from "../../../src/origin/log/log.ts";
import { connectRedis } from "../../../src/origin/redis/store.ts";
import type { BenchStore } from "../support/store.ts";
import { type Client, EXHAUSTED, LIMIT, limitedClient, OVERRIDE, SCOPES } from "./clients.ts";

export interface Published {
  readonly keyPrefix: string;
  readonly clients: readonly Client[];
  /** Compiled. */
  readonly blocklist: Uint8Array<ArrayBuffer>;
}

/** Each key's record by its id. */
export const keyRecords = (clients: readonly Client[]): Record<string, string> =>
  Object.fromEntries(
    clients.map(({ name, key: { id, hash } }) => [
      id,
      writeKeyRecord({ id, hash, principal: name, scopes: SCOPES, expiresAtMs: null }),
    ]),
  );

const VERSION = { [VERSION_FIELD]: "bench:1" };

export const publish = async (
  { bridge }: BenchStore,
  { keyPrefix, clients, blocklist }: Published,
): Promise<void> => {
  const redis = connectRedis(bridge.url, bridge.token, createLog("silent"));
  const overrides = clients
    // The principal of a token has a prefix.
    .flatMap(({ name }) => [name, `jwt:${name}`])
    .map((principal) => [overrideField(LIMIT, principal), writeOverride(OVERRIDE)]);
  const exhausted = { [overrideField(LIMIT, limitedClient.name)]: writeOverride(EXHAUSTED) };
  try {
    await redis.replaceHash(publishedKeysName(keyPrefix), {
      ...keyRecords([...clients, limitedClient]),
      ...VERSION,
    });
    await redis.replaceHash(publishedOverridesName(keyPrefix), {
      ...Object.fromEntries(overrides),
      ...exhausted,
      ...VERSION,
    });
    await redis.replaceHash(publishedBlocklistName(keyPrefix), { ...writeParts(blocklist), ...VERSION });
  } finally {
    await redis.close();
  }
};

/** The prefix of the keys of a server's limits; a colon follows. */
export const limitPrefixOf = (keyPrefix: string): string => `${keyPrefix}limit`;

/** Whether a server has taken tokens of a limit. Right after requests: full buckets leave no trace. */
export const hasLimits = async ({ redis }: BenchStore, keyPrefix: string): Promise<boolean> => {
  const answer = await redis.client.run(["KEYS", `${limitPrefixOf(keyPrefix)}:*`]);
  return "result" in answer && Array.isArray(answer.result) && answer.result.length > 0;
};
