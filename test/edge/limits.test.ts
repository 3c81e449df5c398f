/** Limits at the edge, over a real Redis or what stands in for one, behind the REST bridge. */
import { randomFillSync } from "node:crypto";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { edgeRoutes } from "../../src/contract/edge-manifest.ts";
import { type Limit, OPERATOR_SCOPE } from "../../src/contract/policy.ts";
import { defineRoute, type Routes } from "../../src/contract/route.ts";
import { createRedis, type RedisCommand } from "../../src/edge/stores/redis.ts";
import { type LocalRedis, startRedis } from "../../src/local/redis.ts";
import { startUpstashBridge, type UpstashBridge } from "../../src/local/upstash-bridge.ts";
import {
  createKey,
  publishedKeysName,
  VERSION_FIELD,
  writeKeyRecord,
} from "../../src/middleware/auth/api-keys.ts";
import type { LimitEvent } from "../../src/middleware/rate-limit/index.ts";
import { askEdge, type EdgeOptions, startEdge } from "../support/ask-edge.ts";
import { type Door, startDoor } from "../support/door.ts";
import { problemOf } from "../support/problem-of.ts";
import { startUpstream, type Upstream } from "../support/upstream.ts";

/** The longest that can be configured: a busy machine answers within it. */
const PATIENT_MS = 1_000;
/** Maximum wait of a request for a Redis that hangs. */
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
  others: Partial<EdgeOptions> = {},
  deadlineMs = PATIENT_MS,
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
    ...others,
  });
  return {
    events,
    commands: () => commands,
    ask: (headers = {}) =>
      Promise.resolve(askEdge(edge, "/read", { headers: { "cf-connecting-ip": "192.0.2.1", ...headers } })),
  };
};

const statuses = async (edge: Edge, times: number, headers = {}): Promise<number[]> => {
  const answers: number[] = [];
  for (let turn = 0; turn < times; turn += 1) answers.push((await edge.ask(headers)).status);
  return answers;
};

describe("what is above the limit", () => {
  test("is 429, names the limit, says when to come again, and costs the origin nothing", async () => {
    const edge = start(routesWith([limitOf()]));
    expect(await statuses(edge, 3)).toEqual([200, 200, 200]);
    const refused = await edge.ask({ origin: "https://shop.example" });
    expect(refused.status).toBe(429);
    expect(refused.headers.get("retry-after")).toMatch(/^(\d\d|100)$/);
    expect(refused.headers.get("ratelimit-policy")).toBe('"reads";q=3;w=300');
    expect(refused.headers.get("ratelimit")).toMatch(/^"reads";r=0;t=(\d\d|100)$/);
    expect(refused.headers.get("access-control-allow-origin")).toBe("*");
    expect(await problemOf(refused)).toMatchObject({
      code: "rate_limited",
      status: 429,
      detail: expect.stringMatching(/^The limit "reads" is exhausted\. Try again in (\d\d|100) s\.$/),
      "violated-policies": ["reads"],
    });
    expect(upstream.arrived).toHaveLength(3);
  });

  test("is 429 whichever isolate is asked", async () => {
    const routes = routesWith([limitOf()]);
    const isolates = [start(routes), start(routes), start(routes)];
    const answers: number[] = [];
    for (let turn = 0; turn < 9; turn += 1) {
      const [edge] = isolates.slice(turn % 3);
      if (edge !== undefined) answers.push((await edge.ask()).status);
    }
    expect(answers.filter((status) => status === 200)).toHaveLength(3);
    expect(answers.filter((status) => status === 429)).toHaveLength(6);
  });

  test("of one client is another client's affair", async () => {
    const edge = start(routesWith([limitOf()]));
    await statuses(edge, 5);
    expect(await statuses(edge, 1, { "cf-connecting-ip": "192.0.2.2" })).toEqual([200]);
    expect(await statuses(edge, 1, { "cf-connecting-ip": "::ffff:192.0.2.1" })).toEqual([429]);
  });
});

describe("what is within the limit", () => {
  test("costs no round trip on a warm key", async () => {
    const edge = start(routesWith([limitOf({ capacity: 100_000, refillPerSecond: 10_000 })]));
    expect(await statuses(edge, 300)).toEqual(Array(300).fill(200));
    expect(edge.commands()).toBeLessThan(30);
    const leased = edge.events.filter(({ result }) => result.mode === "lease");
    expect(leased.length).toBeGreaterThan(280);
  });
});

describe("a principal", () => {
  const alice = createKey((bytes) => randomFillSync(bytes));
  const authorization = `Bearer ${alice.key}`;
  const scoped = (limit: readonly Limit[]) => routesWith(limit, { scopes: ["read"] });

  beforeEach(async () => {
    const { id, hash } = alice;
    const record = { id, hash, principal: "alice", scopes: ["read", OPERATOR_SCOPE], expiresAtMs: null };
    await direct("HSET", publishedKeysName(prefix), id, writeKeyRecord(record), VERSION_FIELD, "1");
  });

  test("has its limit wherever it comes from", async () => {
    const edge = start(scoped([limitOf({ per: "principal" })]));
    const answers: number[] = [];
    for (let turn = 1; turn <= 5; turn += 1)
      answers.push((await edge.ask({ authorization, "cf-connecting-ip": `192.0.2.${turn}` })).status);
    expect(answers).toEqual([200, 200, 200, 429, 429]);
  });

  test("who may know it is told what gave each verdict", async () => {
    const limits = [limitOf({ per: "principal" }), limitOf({ name: "all", strict: true, dryRun: true })];
    const edge = start(scoped(limits));
    const explained = { authorization, "breakwater-explain": "limits" };
    const field = (await edge.ask(explained)).headers.get("breakwater-limits");
    expect(field).toBe('"reads";outcome=passed;mode=store, "all";outcome=passed;mode=store;dry-run');
    expect((await edge.ask({ authorization })).headers.has("breakwater-limits")).toBe(false);
  });
});

describe("limits that are tried out", () => {
  const limits = [limitOf()];

  test("are counted, and refuse nothing", async () => {
    const edge = start(routesWith(limits), { RATE_LIMITS: "dry-run" });
    expect(await statuses(edge, 6)).toEqual(Array(6).fill(200));
    const outcomes = edge.events.map(({ result }) => result.outcome);
    expect(outcomes).toEqual(["passed", "passed", "passed", "limited", "limited", "limited"]);
    expect((await edge.ask()).headers.has("ratelimit")).toBe(false);
  });

  test("are not there where they are switched off", async () => {
    const edge = start(routesWith(limits), { RATE_LIMITS: "off" });
    expect(await statuses(edge, 6)).toEqual(Array(6).fill(200));
    expect(edge.commands()).toBe(0);
  });

  test("may be one by one, beside others that are kept", async () => {
    const edge = start(routesWith([limitOf({ dryRun: true }), limitOf({ name: "kept", capacity: 5 })]));
    expect(await statuses(edge, 7)).toEqual([200, 200, 200, 200, 200, 429, 429]);
  });
});

describe("while Redis hangs", () => {
  const startImpatient = (routes: Routes): Edge => start(routes, {}, {}, DEADLINE_MS);

  test("requests that come together wait for one deadline, not one after the other", async () => {
    const edge = startImpatient(routesWith([limitOf({ onStoreFailure: "open" })]));
    door.shut();
    const sinceMs = performance.now();
    const answers = await Promise.all(Array.from({ length: 50 }, () => edge.ask()));
    expect(answers.map(({ status }) => status)).toEqual(Array(50).fill(200));
    // One after another they would take fifty deadlines.
    expect(performance.now() - sinceMs).toBeLessThan(25 * DEADLINE_MS);
  });

  test("requests that arrive while the breaker is open do not ask Redis", async () => {
    const leased = limitOf({ onStoreFailure: "open", capacity: 1_000, refillPerSecond: 100 });
    const edge = startImpatient(routesWith([leased]));
    door.shut();
    for (let turn = 0; turn < 4; turn += 1) await edge.ask();
    // The fifth failure opens it, while others wait for it.
    const together = Array.from({ length: 10 }, () => edge.ask());
    await Promise.race(together);
    const asked = edge.commands();
    await Promise.all(Array.from({ length: 10 }, () => edge.ask()));
    // One may probe if the machine was busy for half a second.
    expect(edge.commands() - asked).toBeLessThanOrEqual(1);
    await Promise.all(together);
    expect(edge.events.map(({ result }) => result.mode)).toEqual(Array(24).fill("open"));
  });

  test("a limit that is closed then is 503, and says so", async () => {
    const edge = startImpatient(routesWith([limitOf({ onStoreFailure: "closed" })]));
    door.shut();
    const refused = await edge.ask();
    expect(refused.status).toBe(503);
    expect(refused.headers.get("retry-after")).toBe("1");
    expect((await problemOf(refused)).detail).toBe('The limit "reads" cannot be checked at the moment.');
  });

  test("the isolate's own bucket decides, and Redis again once it is back", async () => {
    const limit = limitOf({ onStoreFailure: "local", capacity: 50, refillPerSecond: 50 });
    const edge = startImpatient(routesWith([limit]));
    door.shut();
    for (let turn = 0; turn < 10; turn += 1) await edge.ask();
    expect(edge.events.at(-1)?.result.mode).toBe("local");
    await door.open();
    await expect
      .poll(
        async () => {
          await edge.ask();
          return edge.events.at(-1)?.result.mode;
        },
        { interval: 20, timeout: 10_000 },
      )
      .toBe("lease");
  });
});

test("a contract whose limits contradict each other is found out before the first request", () => {
  const routes = {
    ...routesWith([limitOf()]),
    other: defineRoute({
      method: "GET",
      path: "/other",
      summary: "Another one",
      tag: "Test",
      responses: { 200: { description: "Done" } },
      policy: { auth: "public", limit: [limitOf({ capacity: 4 })] },
    }),
  };
  expect(() => start(routes)).toThrow("the limit reads has another capacity elsewhere");
});

test.each([
  ["RATE_LIMITS", "on", "must be one of enforce, dry-run, off"],
  ["RATE_LIMIT_LEASE_MS", "10", "must be a whole number within 1000 and 60000"],
  ["REDIS_SCRIPT_FLAGS", "a\nb", "must be flags such as allow-key-locking"],
])("%s=%s is refused: %s", (name, value, why) => {
  expect(() => start(routesWith([limitOf()]), { [name]: value })).toThrow(`${name} ${why}`);
});
