/**
 * Upstash's scripts on a stock Redis, which rejects their first line. They run without it, and a script that is called by
 * the hash that it has with that line is called by the other one.
 */
import { createHash } from "node:crypto";
import type { RedisClient, RedisCommand } from "../../../src/local/redis.ts";

const FIRST_LINE = /^#!lua flags=allow-key-locking\r?\n/;

const hashOf = (script: string): string => createHash("sha1").update(script).digest("hex");

export const withStockScripts = (client: RedisClient): RedisClient => {
  /** By the hash with that line, the one without. */
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
