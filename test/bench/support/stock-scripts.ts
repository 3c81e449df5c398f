/**
 * Scripts for Upstash on a stock Redis, which refuses their first line. They go without it, and who asks for one by the
 * name that it has with that line gets it by the other.
 */
import { createHash } from "node:crypto";
import type { RedisClient, RedisCommand } from "../../../src/local/redis.ts";

const FIRST_LINE = /^#!lua flags=allow-key-locking\r?\n/;

const nameOf = (script: string): string => createHash("sha1").update(script).digest("hex");

export class StockScripts {
  /** By the name with that line, the one without. */
  readonly #names = new Map<string, string>();

  /** The command as a stock Redis takes it. */
  translate(command: RedisCommand): RedisCommand {
    const [name, first, ...others] = command;
    if (first === undefined) return command;
    switch (name.toUpperCase()) {
      case "EVAL":
        return [name, this.#strip(first), ...others];
      case "EVALSHA":
        return [name, this.#names.get(first) ?? first, ...others];
      default:
        return command;
    }
  }

  #strip(script: string): string {
    const stripped = script.replace(FIRST_LINE, "");
    if (stripped !== script) this.#names.set(nameOf(script), nameOf(stripped));
    return stripped;
  }
}

export const withStockScripts = (client: RedisClient): RedisClient => {
  const scripts = new StockScripts();
  return {
    run: (command) => client.run(scripts.translate(command)),
  };
};
