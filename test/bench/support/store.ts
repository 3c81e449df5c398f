/**
 * A run's own Redis behind Upstash's protocol. Upstash's scripts begin with a line that a stock Redis rejects: it is removed,
 * and the scripts' hashes are translated.
 */
import { createHash, randomBytes } from "node:crypto";
import {
  type LocalRedis,
  type RedisClient,
  type RedisCommand,
  startRedis,
} from "../../../src/local/redis.ts";
import { startUpstashBridge, type UpstashBridge } from "../../../src/local/upstash-bridge.ts";
import type { Run } from "./bench.ts";

export interface BenchStore {
  readonly redis: LocalRedis;
  readonly bridge: UpstashBridge;
}

const FIRST_LINE = /^#!lua flags=allow-key-locking\r?\n/;

const hashOf = (script: string): string => createHash("sha1").update(script).digest("hex");

const withStockScripts = (client: RedisClient): RedisClient => {
  /** The hash without that line, by the hash with it. */
  const hashes = new Map<string, string>();
  const translate = (command: RedisCommand): RedisCommand => {
    const [name, script = "", ...others] = command;
    const kind = name.toUpperCase();
    if (kind === "EVALSHA") return [name, hashes.get(script) ?? script, ...others];
    if (kind !== "EVAL" || !FIRST_LINE.test(script)) return command;
    const stripped = script.replace(FIRST_LINE, "");
    hashes.set(hashOf(script), hashOf(stripped));
    return [name, stripped, ...others];
  };
  return { run: (command) => client.run(translate(command)) };
};

/** @throws LocalError if it does not start */
export const startStore = async ({ signal, stops }: Run): Promise<BenchStore> => {
  const redis = await startRedis({ signal });
  stops.add(() => redis.stop());
  const bridge = await startUpstashBridge({
    client: withStockScripts(redis.client),
    token: randomBytes(12).toString("hex"),
  });
  stops.add(() => bridge.stop());
  return { redis, bridge };
};
