/** Limits at the edge, over the embedded Redis behind the REST bridge. */
import { randomFillSync } from "node:crypto";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { edgeRoutes } from "../../src/contract/edge-manifest.ts";
import { type Limit, OPERATOR_SCOPE } from "../../src/contract/policy.ts";
import { defineRoute, type Routes } from "../../src/contract/route.ts";
import { createRedis, type RedisCommand } from "../../src/edge/stores/redis.ts";
import { type Door, startDoor } from "../../src/local/door.ts";
import { type LocalRedis, startRedis } from "../../src/local/redis.ts";
import { startUpstashBridge, type UpstashBridge } from "../../src/local/upstash-bridge.ts";
import {
  createKey,
  publishedKeysName,
  VERSION_FIELD,
  writeKeyRecord,
} from "../../src/middleware/auth/api-keys.ts";
import type { LimitEvent } from "../../src/middleware/rate-limit/index.ts";
import { askEdge, startEdge } from "../support/ask-edge.ts";
import { problemOf } from "../support/problem-of.ts";
import { startUpstream, type Upstream } from "../support/upstream.ts";

/** The maximum of the configuration, for busy machines. */
const LONG_DEADLINE_MS = 1_000;
/** The default. */
const DEADLINE_MS = 150;

let redis: LocalRedis;
let bridge: UpstashBridge;
let door: Door;
let upstream: Upstream;
let prefix: string;
let direct: RedisCommand;

beforeAll(async () => {
  redis = await startRedis();
  bridge = await startUpstashBridge({ client: redis.client, token: "token" });
  direct = clientOf(bridge.url, 5_000);
});
afterAll(async () => {
  await bridge?.stop();
  await redis?.stop();
});
beforeEach(async () => {
  door = await startDoor(bridge.url);
  upstream = await startUpstream();
  prefix = `${crypto.randomUUID()}:`;
});
afterEach(async () => {
  await door.stop();
  await upstream.stop();
});

const clientOf = (url: string, timeoutMs: number): RedisCommand =>
  createRedis({ url, token: "token", timeoutMs });

const limitOf = (numbers: Partial<Limit> = {}): Limit => ({
  name: "reads",
  capacity: 3,
  refillPerSecond: 0.01,
  per: "client",
  onStoreFailure: "closed",
  ...numbers,
});

const routesWith = (limit: readonly Limit[], auth: "public" | { scopes: readonly [string] } = "public") => ({
  read: defineRoute({
    method: "GET",
    path: "/read",
    summary: "A limited route",
    tag: "Test",
    responses: { 200: { description: "Done" } },
    policy: { auth, cors: { origins: "*" }, limit },
  }),
});

interface Edge {
  ask(headers?: Readonly<Record<string, string>>): Promise<Response>;
  readonly events: readonly LimitEvent[];
  readonly commands: () => number;
}

/** An isolate of its own. */
const start = (
  routes: Routes,
  environment: Readonly<Record<string, string>> = {},
  deadlineMs = LONG_DEADLINE_MS,
): Edge => {
  const events: LimitEvent[] = [];
  let commands = 0;
  const client = clientOf(`http://127.0.0.1:${door.port}`, deadlineMs);
  const edge = startEdge({
    environment: {
      ORIGINS: upstream.url,
      REDIS_KEY_PREFIX: prefix,
      REDIS_TIMEOUT_MS: String(deadlineMs),
      ...environment,
    },
    routes: edgeRoutes(routes),
    redis: (...parts) => {
      commands += 1;
      return client(...parts);
    },
    observe: (event) => {
      if (event.type === "limit") events.push(event);
    },
  });
  return {
    events,
    commands: () => commands,
    ask: (headers = {}) =>
      Promise.resolve(askEdge(edge, "/read", { headers: { "cf-connecting-ip": "192.0.2.1", ...headers } })),
  };
};

const statuses = async (edge: Edge, times: number): Promise<number[]> => {
  const answers: number[] = [];
  for (let turn = 0; turn < times; turn += 1) answers.push((await edge.ask()).status);
  return answers;
};

test("a request above the limit gets 429 with Retry-After, and never reaches the origin", async () => {
  const edge = start(routesWith([limitOf()]));
  expect(await statuses(edge, 3)).toEqual([200, 200, 200]);
  const rejected = await edge.ask({ origin: "https://shop.example" });
  expect(rejected.status).toBe(429);
  expect(rejected.headers.get("retry-after")).toMatch(/^(\d\d|100)$/);
  expect(rejected.headers.get("ratelimit-policy")).toBe('"reads";q=3;w=300');
  expect(rejected.headers.get("ratelimit")).toMatch(/^"reads";r=0;t=(\d\d|100)$/);
  expect(rejected.headers.get("access-control-allow-origin")).toBe("*");
  expect(await problemOf(rejected)).toMatchObject({
    code: "rate_limited",
    status: 429,
    detail: expect.stringMatching(/^The limit "reads" is exhausted\. Try again in (\d\d|100) s\.$/),
    "violated-policies": ["reads"],
  });
  expect(upstream.arrived).toHaveLength(3);
});

test("a request within the limit needs no round trip if its key is warm", async () => {
  const edge = start(routesWith([limitOf({ capacity: 100_000, refillPerSecond: 10_000 })]));
  expect(await statuses(edge, 300)).toEqual(Array(300).fill(200));
  expect(edge.commands()).toBeLessThan(30);
  const leased = edge.events.filter(({ result }) => result.mode === "lease");
  expect(leased.length).toBeGreaterThan(280);
});

test("an operator sees the decision of each limit", async () => {
  const { id, hash, key } = createKey((bytes) => randomFillSync(bytes));
  const record = { id, hash, principal: "alice", scopes: ["read", OPERATOR_SCOPE], expiresAtMs: null };
  await direct("HSET", publishedKeysName(prefix), id, writeKeyRecord(record), VERSION_FIELD, "1");
  const limits = [limitOf({ per: "principal" }), limitOf({ name: "all", strict: true, dryRun: true })];
  const edge = start(routesWith(limits, { scopes: ["read"] }));
  const authorization = `Bearer ${key}`;
  const debug = { authorization, "breakwater-explain": "limits" };
  const field = (await edge.ask(debug)).headers.get("breakwater-limits");
  expect(field).toBe('"reads";outcome=passed;mode=store, "all";outcome=passed;mode=store;dry-run');
  expect((await edge.ask({ authorization })).headers.has("breakwater-limits")).toBe(false);
});

test("a dry run counts, and rejects nothing", async () => {
  const edge = start(routesWith([limitOf()]), { RATE_LIMITS: "dry-run" });
  expect(await statuses(edge, 6)).toEqual(Array(6).fill(200));
  const outcomes = edge.events.map(({ result }) => result.outcome);
  expect(outcomes).toEqual(["passed", "passed", "passed", "limited", "limited", "limited"]);
  expect((await edge.ask()).headers.has("ratelimit")).toBe(false);
});

test("limits that are off call no store", async () => {
  const edge = start(routesWith([limitOf()]), { RATE_LIMITS: "off" });
  expect(await statuses(edge, 6)).toEqual(Array(6).fill(200));
  expect(edge.commands()).toBe(0);
});

describe("while Redis hangs", () => {
  beforeEach(() => door.shut());

  test("an open breaker keeps requests from calling it", async () => {
    const leased = limitOf({ onStoreFailure: "open", capacity: 1_000, refillPerSecond: 100 });
    const edge = start(routesWith([leased]), {}, DEADLINE_MS);
    for (let turn = 0; turn < 4; turn += 1) await edge.ask();
    // The fifth failure opens the breaker while the others wait.
    const together = Array.from({ length: 10 }, () => edge.ask());
    await Promise.race(together);
    const before = edge.commands();
    // Each client has a bucket of its own: without a breaker each would call.
    const addresses = Array.from({ length: 100 }, (_, n) => `192.0.2.${n + 1}`);
    await Promise.all(addresses.map((address) => edge.ask({ "cf-connecting-ip": address })));
    // On a busy machine some may probe: one each half second.
    expect(edge.commands() - before).toBeLessThan(50);
    await Promise.all(together);
    expect(edge.events.map(({ result }) => result.mode)).toEqual(Array(114).fill("open"));
  });

  test("a limit that closes on failure responds 503", async () => {
    const rejected = await start(routesWith([limitOf()]), {}, DEADLINE_MS).ask();
    expect(rejected.status).toBe(503);
    expect(rejected.headers.get("retry-after")).toBe("1");
    expect((await problemOf(rejected)).detail).toBe('The limit "reads" cannot be checked at the moment.');
  });
});

test("a contract with contradicting limits is rejected before the first request", () => {
  const { read } = routesWith([limitOf()]);
  const { read: other } = routesWith([limitOf({ capacity: 4 })]);
  const routes = { read, other: { ...other, path: "/other" as const } };
  expect(() => start(routes)).toThrow("the limit reads has another capacity elsewhere");
});

test.each([
  ["RATE_LIMITS", "on", "must be one of enforce, dry-run, off"],
  ["RATE_LIMIT_LEASE_MS", "10", "must be a whole number within 1000 and 60000"],
  ["REDIS_SCRIPT_FLAGS", "a\nb", "must be flags such as allow-key-locking"],
])("%s=%s is rejected: %s", (name, value, reason) => {
  expect(() => start(routesWith([limitOf()]), { [name]: value })).toThrow(`${name} ${reason}`);
});
