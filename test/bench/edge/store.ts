/** Redis behind its bridge, with everything that the origins publish there for the edge. */
import { randomBytes } from "node:crypto";
import type { CleanupStack } from "../../../src/local/cleanup-stack.ts";
import {
  type LocalRedis,
  type RedisClient,
  type RedisCommand,
  startRedis,
} from "../../../src/local/redis.ts";
import { startUpstashBridge, type UpstashBridge } from "../../../src/local/upstash-bridge.ts";
import { publishedKeysName, VERSION_FIELD, writeKeyRecord } from "../../../src/middleware/auth/api-keys.ts";
import { publishedBlocklistName, writeParts } from "../../../src/middleware/blocklist/snapshot.ts";
import {
  overrideField,
  publishedOverridesName,
  writeOverride,
} from "../../../src/middleware/rate-limit/limit-store.ts";
import { createLog } from "../../../src/origin/log/log.ts";
import { connectRedis } from "../../../src/origin/redis/store.ts";
import { withStockScripts } from "../support/stock-scripts.ts";
import { type Client, LIMIT, OVERRIDE, SCOPES } from "./clients.ts";

export interface EdgeBenchStore {
  readonly bridge: UpstashBridge;
  /** Such as "redis-server 7.2.1". */
  readonly description: string;
  /** Whether a server has taken tokens of a limit there. */
  hasLimits(keyPrefix: string): Promise<boolean>;
  /** How many limiter scripts a server has run there so far. */
  limiterCalls(keyPrefix: string): number;
}

/** The data that an edge reads from Redis. */
export interface Published {
  readonly keyPrefix: string;
  readonly clients: readonly Client[];
  /** Compiled. */
  readonly blocklist: Uint8Array<ArrayBuffer>;
}

/** Each key's record by its id, as published. */
export const keyRecords = (clients: readonly Client[]): Record<string, string> =>
  Object.fromEntries(
    clients.map(({ name, key: { id, hash } }) => [
      id,
      writeKeyRecord({ id, hash, principal: name, scopes: SCOPES, expiresAtMs: null }),
    ]),
  );

const VERSION = { [VERSION_FIELD]: "bench:1" };

/** Every key of a server's limits begins with it, and a colon follows. */
export const limitPrefixOf = (keyPrefix: string): string => `${keyPrefix}limit`;

const hasLimits = async ({ client }: LocalRedis, keyPrefix: string): Promise<boolean> => {
  const answer = await client.run(["KEYS", `${limitPrefixOf(keyPrefix)}:*`]);
  return "result" in answer && Array.isArray(answer.result) && answer.result.length > 0;
};

/** Counts the scripts that run on the keys of a limit, by the limits' prefix. */
const countScripts = (client: RedisClient): { client: RedisClient; calls: ReadonlyMap<string, number> } => {
  const calls = new Map<string, number>();
  const count = ([name, , , key = ""]: RedisCommand): void => {
    if (!name.toUpperCase().startsWith("EVAL")) return;
    const [server = "", kind = ""] = key.split(":", 2);
    const prefix = `${server}:${kind}`;
    calls.set(prefix, (calls.get(prefix) ?? 0) + 1);
  };
  return {
    calls,
    client: {
      run: (command) => {
        count(command);
        return client.run(command);
      },
    },
  };
};

export const startStore = async (stops: CleanupStack, signal: AbortSignal): Promise<EdgeBenchStore> => {
  const redis = await startRedis({ signal });
  stops.add(() => redis.stop());
  const { client, calls } = countScripts(withStockScripts(redis.client));
  const bridge = await startUpstashBridge({ client, token: randomBytes(12).toString("hex") });
  stops.add(() => bridge.stop());
  return {
    bridge,
    description: `${redis.kind} ${redis.version}`,
    hasLimits: (keyPrefix) => hasLimits(redis, keyPrefix),
    limiterCalls: (keyPrefix) => calls.get(limitPrefixOf(keyPrefix)) ?? 0,
  };
};

/** Publishes once what origins publish; without origins it never changes. */
export const publish = async (
  { bridge }: EdgeBenchStore,
  { keyPrefix, clients, blocklist }: Published,
): Promise<void> => {
  const redis = connectRedis(bridge.url, bridge.token, createLog("silent"));
  const overrides = clients
    // The principal of a token has a prefix.
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
