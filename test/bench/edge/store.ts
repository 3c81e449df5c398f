/** Redis behind its bridge, with all that the origins publish there for the edge. */
import { randomBytes } from "node:crypto";
import type { CleanupStack } from "../../../src/local/cleanup-stack.ts";
import { type LocalRedis, startRedis } from "../../../src/local/redis.ts";
import { startUpstashBridge, type UpstashBridge } from "../../../src/local/upstash-bridge.ts";
import {
  publishedKeysName,
  VERSION_FIELD,
  writeKeyRecord,
} from "../../../src/middleware/auth/published-keys.ts";
import { publishedBlocklistName, writeParts } from "../../../src/middleware/blocklist/published-blocklist.ts";
import {
  overrideField,
  publishedOverridesName,
  writeOverride,
} from "../../../src/middleware/rate-limit/limit-key.ts";
import { createLog } from "../../../src/origin/log/log.ts";
import { connectRedis } from "../../../src/origin/redis/connect.ts";
import { type Client, LIMIT, OVERRIDE, SCOPES } from "./clients.ts";

export interface EdgeBenchStore {
  readonly bridge: UpstashBridge;
  /** Such as "redis-server 7.2.1". */
  readonly description: string;
  /** Whether an edge has taken tokens of a limit there. */
  hasLimits(keyPrefix: string): Promise<boolean>;
}

/** What an edge finds in Redis. */
export interface Published {
  readonly keyPrefix: string;
  readonly clients: readonly Client[];
  /** Compiled. */
  readonly blocklist: Uint8Array<ArrayBuffer>;
}

/** By id, as they are published. */
export const keyRecords = (clients: readonly Client[]): Record<string, string> =>
  Object.fromEntries(
    clients.map(({ name, key: { id, hash } }) => [
      id,
      writeKeyRecord({ id, hash, principal: name, scopes: SCOPES, expiresAtMs: null }),
    ]),
  );

const VERSION = { [VERSION_FIELD]: "bench:1" };

const hasLimits = async ({ client }: LocalRedis, keyPrefix: string): Promise<boolean> => {
  const answer = await client.run(["KEYS", `${keyPrefix}limit:*`]);
  return "result" in answer && Array.isArray(answer.result) && answer.result.length > 0;
};

export const startStore = async (stops: CleanupStack, signal: AbortSignal): Promise<EdgeBenchStore> => {
  const redis = await startRedis({ signal });
  stops.add(() => redis.stop());
  const bridge = await startUpstashBridge({ client: redis.client, token: randomBytes(12).toString("hex") });
  stops.add(() => bridge.stop());
  return {
    bridge,
    description: `${redis.kind} ${redis.version}`,
    hasLimits: (keyPrefix) => hasLimits(redis, keyPrefix),
  };
};

/** As origins would, once: nobody looks after it afterwards, so it stays. */
export const publish = async (
  { bridge }: EdgeBenchStore,
  { keyPrefix, clients, blocklist }: Published,
): Promise<void> => {
  const redis = connectRedis(bridge.url, bridge.token, createLog("silent"));
  const overrides = clients
    // A client's token names it with a prefix.
    .flatMap(({ name }) => [name, `jwt:${name}`])
    .map((principal) => [overrideField(LIMIT, principal), writeOverride(OVERRIDE)]);
  try {
    await redis.replaceHash(publishedKeysName(keyPrefix), { ...keyRecords(clients), ...VERSION });
    await redis.replaceHash(publishedOverridesName(keyPrefix), {
      ...Object.fromEntries(overrides),
      ...VERSION,
    });
    await redis.replaceHash(publishedBlocklistName(keyPrefix), { ...writeParts(blocklist), ...VERSION });
  } finally {
    await redis.close();
  }
};
