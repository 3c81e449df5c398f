/** The Redis of all contestants, behind one bridge, and the count of its commands. */
import { randomBytes } from "node:crypto";
import type { CleanupStack } from "../../../src/local/cleanup-stack.ts";
import { LocalError } from "../../../src/local/local-error.ts";
import { type LocalRedis, startRedis } from "../../../src/local/redis.ts";
import { startUpstashBridge, type UpstashBridge } from "../../../src/local/upstash-bridge.ts";
import { withStockScripts } from "../support/stock-scripts.ts";

export interface BenchStore {
  readonly bridge: UpstashBridge;
  readonly version: string;
  /** Commands that contestants have run so far, including those within scripts. */
  commands(): Promise<number>;
}

/** Commands of no contestant. */
const OTHERS = new Set(["info", "config", "ping", "client", "hello", "select", "auth", "command"]);

const countCommands = async ({ client }: LocalRedis): Promise<number> => {
  const answer = await client.run(["INFO", "commandstats"]);
  if ("error" in answer) throw new LocalError(`Redis does not count its commands: ${answer.error}`);
  const lines = String(answer.result).matchAll(/^cmdstat_([a-z0-9_-]+)\S*?:calls=(\d+)/gm);
  return [...lines].reduce((sum, [, name = "", calls]) => sum + (OTHERS.has(name) ? 0 : Number(calls)), 0);
};

/** @throws LocalError if the machine has no redis-server */
export const startBenchStore = async (stops: CleanupStack, signal: AbortSignal): Promise<BenchStore> => {
  const redis = await startRedis({ signal });
  stops.add(() => redis.stop());
  if (redis.kind !== "redis-server")
    throw new LocalError("no Redis: this benchmark needs redis-server on the PATH");
  const token = randomBytes(12).toString("hex");
  const bridge = await startUpstashBridge({ client: withStockScripts(redis.client), token });
  stops.add(() => bridge.stop());
  return { bridge, version: redis.version, commands: () => countCommands(redis) };
};
