/** An in-memory Redis on the clock of the test, which can be down, hang, or lose its data. */
import type { Claim } from "../../../../src/origin/redis/store.ts";
import { MARK_ASKED } from "../../../../src/origin/response-cache/admission.ts";
import {
  RAISE_VERSIONS,
  REMOVE_IF_EQUAL,
  type RedisEntriesOptions,
} from "../../../../src/origin/response-cache/redis.ts";

export type Weather = "fair" | "away" | "hung";

type Data = ReadonlyMap<string, { readonly value: string; readonly untilMs: number }>;

export type MemoryRedis = RedisEntriesOptions["redis"] & {
  weather: Weather;
  /** Delays every reply, milliseconds. */
  delayMs: number;
  /** A snapshot, to be restored later. */
  copy(): Data;
  restore(copy: Data): void;
  /** The names of the cached responses. */
  entries(): string[];
};

/** Duration of a command, milliseconds. */
const LATENCY_MS = 2;

export const createMemoryRedis = (): MemoryRedis => {
  let entries = new Map<string, { readonly value: string; readonly untilMs: number }>();

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

  const markAsked = ([name = ""]: readonly string[], [bit = "", ttlMs]: readonly string[]): string => {
    const asked = read(name)?.split(",") ?? [];
    if (asked.includes(bit)) return "1";
    write(name, [...asked, bit].join(), Number(ttlMs));
    return "0";
  };

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
    copy: () => new Map(entries),
    entries: () => [...entries.keys()].filter((name) => name.includes("cache:") && read(name) !== null),
    restore: (copy) => {
      entries = new Map(copy);
    },
    claimAndRead: (claimed, names) => command(() => ({ claimed: claim(claimed), values: names.map(read) })),
    set: (name, value, ttlMs) => command(() => write(name, value, ttlMs)),
    remove: (name) => command(() => void entries.delete(name)),
    // The scripts in TypeScript: the originals run in the conformance tests.
    evaluate: (script, keys, values) =>
      command((): unknown => {
        if (script === RAISE_VERSIONS) return raise(keys, values);
        if (script === REMOVE_IF_EQUAL) return removeIfEqual(keys, values);
        if (script === MARK_ASKED) return markAsked(keys, values);
        throw new Error("ERR unknown script");
      }),
  };
  return redis;
};
