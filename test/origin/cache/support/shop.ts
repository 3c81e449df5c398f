/** A product whose stock is a count of its changes, and origins that cache it. */
import type { Problem } from "../../../../src/contract/problem.ts";
import { problem } from "../../../../src/contract/problem.ts";
import type { CacheWindows } from "../../../../src/middleware/response-cache/freshness.ts";
import {
  type AnswerCache,
  type CacheRequest,
  type CacheResult,
  createAnswerCache,
} from "../../../../src/origin/cache/answer-cache.ts";
import { createLevelOne } from "../../../../src/origin/cache/level-one.ts";
import { createLevelTwo, type LevelTwo } from "../../../../src/origin/cache/level-two.ts";
import { UnavailableError } from "../../../../src/origin/db/errors.ts";
import type { Answer } from "../../../../src/origin/http/response.ts";
import { createLog } from "../../../../src/origin/log/log.ts";
import { Deadline } from "../../../../src/origin/middleware/deadline.ts";
import type { MemoryRedis } from "./memory-redis.ts";

export const WINDOWS: CacheWindows = {
  freshMs: 5_000,
  staleWhileRevalidateMs: 10_000,
  staleIfErrorMs: 60_000,
};
export const TAGS = ["products", "products/1"];
const KEY = "product 1";

export interface Database {
  /** How often the product has been changed. */
  changes: number;
  /** When each change was made, epoch milliseconds. */
  readonly changedAtMs: number[];
  /** Reads that have begun. */
  reads: number;
  /** Reads for which nobody waited any more. */
  abandoned: number;
  /** How long a read takes before and after it looks, milliseconds. */
  readMs: number;
  weather: "fair" | "away" | "hung" | "empty";
}

export const createDatabase = (): Database => ({
  changes: 0,
  changedAtMs: [Date.now()],
  reads: 0,
  abandoned: 0,
  readMs: 10,
  weather: "fair",
});

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export interface ShopOrigin {
  readonly cache: AnswerCache;
  readonly levelTwo: LevelTwo;
  read(options?: { maxAgeMs?: number; timeoutMs?: number }): Promise<CacheResult>;
  /** Resolves when the write has been answered. */
  write(): Promise<void>;
}

export const createShopOrigin = (database: Database, redis: MemoryRedis, random = () => 0): ShopOrigin => {
  const levelTwo = createLevelTwo({
    redis,
    keyPrefix: "test:",
    programVersion: "1",
    longestLifetimeMs: WINDOWS.freshMs + WINDOWS.staleIfErrorMs,
    log: createLog("silent"),
    now: Date.now,
  });
  const cache = createAnswerCache({
    levelOne: createLevelOne({ entries: 100 }),
    levelTwo,
    now: Date.now,
    random,
  });

  const make = async (abandoned: Promise<void>): Promise<Answer | Problem> => {
    database.reads += 1;
    void abandoned.then(() => {
      database.abandoned += 1;
    });
    if (database.weather === "hung") return await new Promise<never>(() => undefined);
    await pause(database.readMs / 2);
    if (database.weather === "away") throw new UnavailableError("connect ECONNREFUSED");
    if (database.weather === "empty") return problem("not_found");
    const body = { changes: database.changes };
    await pause(database.readMs / 2);
    return { status: 200, body };
  };

  return {
    cache,
    levelTwo,
    read: async ({ maxAgeMs = Number.POSITIVE_INFINITY, timeoutMs = 10_000 } = {}) => {
      const request: CacheRequest = { key: KEY, tags: TAGS, windows: WINDOWS, maxAgeMs, make };
      const ready = cache.ready(request);
      if (ready !== undefined) return ready;
      const scope = new Deadline("read", Date.now() + timeoutMs, true);
      const timer = setTimeout(() => scope.end("deadline"), timeoutMs);
      try {
        return await cache.wait(request, scope);
      } finally {
        clearTimeout(timer);
      }
    },
    write: async () => {
      await pause(3);
      database.changes += 1;
      database.changedAtMs.push(Date.now());
      await pause(3);
      cache.invalidate(TAGS);
    },
  };
};

/** The number of changes that an answer knows of. */
export const changesIn = ({ answer }: CacheResult): number => {
  const text = "status" in answer ? (answer.text ?? answer.json ?? JSON.stringify(answer.body)) : "";
  const body: unknown = JSON.parse(text);
  if (typeof body === "object" && body !== null && "changes" in body) return Number(body.changes);
  throw new Error(`no product: ${text}`);
};
