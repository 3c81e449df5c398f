/** A product whose stock is a count of its changes, and origins that cache it. */
import { type Context, Hono } from "hono";
import { problem } from "../../../../src/contract/problem.ts";
import { sleep } from "../../../../src/lib/async.ts";
import type { RawTarget } from "../../../../src/middleware/context/index.ts";
import type { CacheWindows, FillResult } from "../../../../src/middleware/response-cache/entry.ts";
import type { FillOptions, Waiter } from "../../../../src/middleware/response-cache/ports.ts";
import type { CacheOutcome } from "../../../../src/middleware/response-cache/respond.ts";
import { createLog } from "../../../../src/origin/log/log.ts";
import { createOriginResponseCache } from "../../../../src/origin/response-cache/index.ts";
import type { MemoryRedis } from "./memory-redis.ts";

export const WINDOWS: CacheWindows = {
  freshMs: 5_000,
  staleWhileRevalidateMs: 10_000,
  staleIfErrorMs: 60_000,
};
const CACHE_CONTROL = "public, max-age=5, stale-while-revalidate=10, stale-if-error=60";
const TAGS = ["products", "products/1"];

const route = {
  method: "GET",
  path: "/products/:id",
  fields: ["if-none-match"],
  parameters: ["currency", "locale"],
  policy: {
    auth: "public",
    cache: { freshS: 5, staleWhileRevalidateS: 10, staleIfErrorS: 60, tags: ["products", "products/:id"] },
  },
} as const;

export interface Database {
  /** Number of changes to the product. */
  changes: number;
  /** The time of each change, epoch milliseconds. */
  readonly changedAtMs: number[];
  /** Reads so far. */
  reads: number;
  /** Reads that were aborted. */
  abandoned: number;
  /** Duration of a read, milliseconds; it sees the state of its middle. */
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

interface Env {
  Variables: {
    requestId: string;
    target: RawTarget;
    waitUntil: (work: Promise<unknown>) => void;
    cacheOutcome: CacheOutcome | undefined;
  };
}

export interface ReadOptions {
  readonly query?: string;
  readonly method?: string;
  readonly headers?: Record<string, string>;
  /** The Cache-Control of the edge. */
  readonly cacheControl?: string;
  readonly timeoutMs?: number;
}

export type ShopOrigin = ReturnType<typeof createShopOrigin>;
export type ReadResult = Awaited<ReturnType<ShopOrigin["read"]>>;

export const createShopOrigin = (database: Database, redis: MemoryRedis, random = () => 0) => {
  const cache = createOriginResponseCache({
    routes: [route],
    size: { entries: 100 },
    redis,
    keyPrefix: "test:",
    programVersion: "1",
    defaultFreshS: 5,
    log: createLog("silent"),
    now: Date.now,
    random,
  });

  const fill = async (query: string, { signal }: FillOptions): Promise<FillResult> => {
    database.reads += 1;
    signal?.addEventListener("abort", () => {
      database.abandoned += 1;
    });
    if (query.includes("unknown")) return problem("invalid_request");
    if (database.weather === "hung") return await new Promise<never>(() => undefined);
    await sleep(database.readMs / 2);
    if (database.weather === "away") return problem("unavailable");
    if (database.weather === "empty") return problem("not_found");
    const body = JSON.stringify({ changes: database.changes });
    const etag = `"${database.changes}"`;
    await sleep(database.readMs / 2);
    const headers = { "content-type": "application/json", "cache-control": CACHE_CONTROL, etag };
    return { status: 200, headers, body };
  };

  const waiterFor = (timeoutMs: number): Waiter => ({
    deadlineAtMs: Date.now() + timeoutMs,
    onEnd: (listener) => {
      const timer = setTimeout(listener, timeoutMs);
      return () => clearTimeout(timer);
    },
  });

  return {
    read: async (options: ReadOptions = {}) => {
      const { query = "", method = "GET", headers = {}, cacheControl, timeoutMs = 10_000 } = options;
      let outcome: CacheOutcome | undefined;
      const app = new Hono<Env>();
      const waiter = waiterFor(timeoutMs);
      app.use(async (c, next) => {
        c.set("requestId", crypto.randomUUID());
        c.set("target", { origin: "http://origin.test", path: c.req.path, query });
        c.set("waitUntil", (work) => void work.catch(() => undefined));
        await next();
        outcome = c.get("cacheOutcome");
      });
      const handler = cache.handler<Context<Env>>({
        cacheControl: () => cacheControl,
        route: () => route,
        fill: (c, options) => fill(c.get("target").query, options),
        waiter: () => waiter,
      });
      app.get(route.path, handler);
      const response = await app.request(`/products/1${query}`, { method, headers });
      const age = response.headers.get("age");
      return {
        status: response.status,
        body: await response.text(),
        headers: response.headers,
        /** Without the cache's name. */
        cacheStatus: (response.headers.get("cache-status") ?? "").replace("breakwater-origin; ", ""),
        /** Undefined without an Age field. */
        ageS: age === null ? undefined : Number(age),
        outcome,
      };
    },
    /** Resolves when the write has been answered. */
    write: async (): Promise<void> => {
      await sleep(3);
      database.changes += 1;
      database.changedAtMs.push(Date.now());
      await sleep(3);
      cache.invalidate(TAGS);
    },
    flush: () => cache.flush(),
  };
};

/** The number of changes that a response shows. */
export const changesIn = ({ status, body }: ReadResult): number => {
  if (status !== 200) throw new Error(`no product: ${status} ${body}`);
  return Number(JSON.parse(body).changes);
};
