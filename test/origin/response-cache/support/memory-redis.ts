/** An in-memory Redis on the clock of the test, which can be down, hang, or lose its data. */

import type { Claim, RedisStore } from "../../../../src/origin/redis/store.ts";
import { RAISE_VERSIONS, REMOVE_IF_EQUAL } from "../../../../src/origin/response-cache/redis.ts";

export type Weather = "fair" | "away" | "hung";

interface Entry {
  readonly value: string;
  readonly untilMs: number;
}

export interface MemoryRedis extends RedisStore {
  weather: Weather;
  /** Delays every reply, milliseconds. */
  delayMs: number;
  lose(): void;
  /** A snapshot, to be restored later. */
  copy(): ReadonlyMap<string, Entry>;
  restore(copy: ReadonlyMap<string, Entry>): void;
  readonly size: number;
}

/** Duration of a command, milliseconds. */
const LATENCY_MS = 2;

export const createMemoryRedis = (): MemoryRedis => {
  const entries = new Map<string, Entry>();

  const read = (name: string): string | null => {
    const entry = entries.get(name);
    return entry !== undefined && entry.untilMs > Date.now() ? entry.value : null;
  };
  const write = (name: string, value: string, ttlMs: number): void =>
    void entries.set(name, { value, untilMs: Date.now() + ttlMs });

  const claim = ({ name, value, ttlMs }: Claim): boolean => {
    if (read(name) !== null) return false;
    write(name, value, ttlMs);
    return true;
  };

  const raise = (keys: readonly string[], [proposed, ttlMs]: readonly string[]): string[] =>
    keys.map((key) => {
      const version = Math.max(Number(proposed), Number(read(key) ?? "0") + 1);
      write(key, String(version), Number(ttlMs));
      return String(version);
    });

  const removeIfEqual = ([key = ""]: readonly string[], [value]: readonly string[]): number =>
    read(key) === value && entries.delete(key) ? 1 : 0;

  /** The command runs after half of the latency. */
  const command = async <T>(work: () => T): Promise<T> => {
    await new Promise((resolve) => setTimeout(resolve, LATENCY_MS / 2));
    if (redis.weather === "hung") return await new Promise<never>(() => undefined);
    if (redis.weather === "away") throw new Error("connect ECONNREFUSED");
    const result = work();
    await new Promise((resolve) => setTimeout(resolve, LATENCY_MS / 2 + redis.delayMs));
    return result;
  };

  const redis: MemoryRedis = {
    weather: "fair",
    delayMs: 0,
    lose: () => entries.clear(),
    copy: () => new Map(entries),
    restore: (copy) => {
      entries.clear();
      for (const [name, entry] of copy) entries.set(name, entry);
    },
    get size() {
      return entries.size;
    },
    ping: () => command(() => undefined),
    hashField: () => command(() => null),
    replaceHash: () => command(() => undefined),
    expire: () => command(() => undefined),
    setIfAbsent: (name, ttlMs) => command(() => claim({ name, value: "1", ttlMs })),
    claimAndRead: (claimed, names) => command(() => ({ claimed: claim(claimed), values: names.map(read) })),
    set: (name, value, ttlMs) => command(() => write(name, value, ttlMs)),
    remove: (name) => command(() => void entries.delete(name)),
    // The scripts in TypeScript: the originals run in the conformance tests.
    evaluate: (script, keys, values) =>
      command((): unknown => {
        if (script === RAISE_VERSIONS) return raise(keys, values);
        if (script === REMOVE_IF_EQUAL) return removeIfEqual(keys, values);
        throw new Error("ERR unknown script");
      }),
    evaluateKnown: () => Promise.reject(new Error("NOSCRIPT No matching script.")),
    close: async () => undefined,
  };
  return redis;
};
