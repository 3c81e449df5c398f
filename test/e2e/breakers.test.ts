/** PostgreSQL and Redis hang, or are down: requests soon fail fast, and everything recovers with them. */
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { sampleProductId } from "#api/origin/sample-data.ts";
import { CleanupStack } from "../../src/local/cleanup-stack.ts";
import { type Door, startDoor } from "../../src/local/door.ts";
import { metric, placeOrder, type Reply, send, startBacking } from "../support/backing.ts";
import { hold } from "../support/locks.ts";
import { exitOf, type OriginProcess, runOrigin } from "../support/origin-process.ts";
import { type OwnPostgres, startOwnPostgres } from "../support/own-postgres.ts";

const PRODUCT = sampleProductId(6);
/** A request waits for a connection for up to 5 s, and a rejected one not at all; the rest is for a busy machine. */
const AT_ONCE_MS = 2_000;
/** The documented time to recover after the database has. */
const BACK_MS = 5_000;

const stops = new CleanupStack();
let postgres: OwnPostgres;
let databaseUrl: string;
let database: Door;
let redis: Door;
let origin: OriginProcess;
let api: string;
let admin: string;

beforeAll(async () => {
  postgres = await startOwnPostgres();
  stops.add(() => postgres.remove());
  const backing = await startBacking(postgres.url);
  stops.add(() => backing.stop());
  ({ databaseUrl } = backing);
  database = await startDoor(databaseUrl);
  stops.add(() => database.stop());
  redis = await startDoor(backing.environment["REDIS_URL"] ?? "");
  stops.add(() => redis.stop());
  const environment = { ...backing.environment, DATABASE_URL: database.url, REDIS_URL: redis.url };
  origin = runOrigin({ environment });
  stops.add(() => origin.kill());
  await origin.logged("ready");
  await backing.addSampleData(1_000_000);
  ({ api, admin } = await origin.addresses());
});
afterAll(() => stops.runAll());

const order = (timeoutMs?: number): Promise<Reply> =>
  placeOrder(api, PRODUCT, timeoutMs === undefined ? {} : { timeoutMs });
const orders = (count: number, timeoutMs?: number): Promise<Reply[]> =>
  Promise.all(Array.from({ length: count }, () => order(timeoutMs)));
const statusesOf = (replies: readonly Reply[]): Set<number> => new Set(replies.map(({ status }) => status));

type Dependency = "database" | "redis";

/** The states that the dependency's breaker has entered so far. */
const entered = (of: Dependency): unknown[] =>
  origin
    .all("circuit breaker")
    .filter(({ dependency }) => dependency === of)
    .map(({ to }) => to);
const probes = (): number => entered("database").filter((state) => state === "half_open").length;

/** Orders until the dependency's breaker opens. @returns their statuses */
const untilOpen = async (of: Dependency, timeoutMs?: number): Promise<Set<number>> => {
  const before = entered(of).length;
  const replies: Reply[] = [];
  while (!entered(of).slice(before).includes("open")) replies.push(...(await orders(8, timeoutMs)));
  return statusesOf(replies);
};

const series = async (name: string, of: Dependency): Promise<string[]> => {
  const { body } = await send(`${admin}/metrics`);
  return metric(body, name).series.filter((line) => line.includes(`dependency="${of}"`));
};
const expectState = async (of: Dependency, state: string): Promise<void> => {
  const states = await series("circuit_breaker_state", of);
  const expected = `circuit_breaker_state{dependency="${of}",state="${state}"} 1`;
  expect(states.filter((line) => line.endsWith(" 1"))).toEqual([expected]);
};
const expectChangesCounted = async (of: Dependency): Promise<void> => {
  const changes = await series("circuit_breaker_state_changes_total", of);
  expect(changes.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0)).toBe(entered(of).length);
};
const expectBackSoon = async (): Promise<void> => {
  const statuses = async (): Promise<Set<number>> => statusesOf(await orders(20));
  await expect.poll(statuses, { timeout: BACK_MS, interval: 50 }).toEqual(new Set([201]));
  expect(entered("database").at(-1)).toBe("closed");
  await expectState("database", "closed");
};

test("writes succeed while Redis hangs, and its breaker opens, then closes with Redis' recovery", async () => {
  expect((await order()).status).toBe(201);
  await expectState("redis", "closed");
  redis.shut();
  onTestFinished(() => redis.open());
  expect(await untilOpen("redis")).toEqual(new Set([201]));
  expect(statusesOf(await orders(5))).toEqual(new Set([201]));
  await redis.open();
  // A readiness check sends a command to Redis.
  await expect
    .poll(async () => [(await send(`${admin}/ready`)).status, entered("redis").at(-1)], { timeout: 30_000 })
    .toEqual([200, "closed"]);
  await expectChangesCounted("redis");
  expect(entered("redis").length).toBeGreaterThanOrEqual(3);
});

test("statements that the server cancels at their deadline never open the breaker", async () => {
  await expectState("database", "closed");
  const lock = await hold(databaseUrl, "SELECT FROM products WHERE id = $1 FOR UPDATE", [PRODUCT]);
  onTestFinished(() => lock.release());
  const replies: Reply[] = [];
  for (let round = 0; round < 4; round += 1) replies.push(...(await orders(10, 300)));
  // A busy machine may not send all of them before their deadline: 503.
  expect([...statusesOf(replies)].filter((status) => status !== 503 && status !== 504)).toEqual([]);
  expect(replies.filter(({ status }) => status === 504).length).toBeGreaterThan(5);
  await lock.release();
  expect((await order()).status).toBe(201);
  expect(entered("database")).toEqual([]);
  await expectState("database", "closed");
});

test("statements without a result open the breaker, and it closes when the database responds again", async () => {
  database.shut();
  onTestFinished(() => database.open());
  const statuses = await untilOpen("database", 300);
  expect([...statuses].filter((status) => status !== 504 && status !== 503)).toEqual([]);
  // Only probes wait for the database until the deadline.
  const before = probes();
  const replies = await orders(40, 2_000);
  const waited = replies.filter(({ status }) => status === 504).length;
  expect(replies.filter(({ status }) => status === 503)).toHaveLength(40 - waited);
  await expect.poll(() => probes() - before + 1).toBeGreaterThanOrEqual(waited);
  expect(waited).toBeLessThan(10);
  await database.open();
  await expectBackSoon();
});

test("a database that is down gets only probes, orders are rejected at once, and everything recovers with it", async () => {
  await postgres.stop();
  expect(await untilOpen("database")).toEqual(new Set([503]));
  const lines = (): number => origin.all("a dependency is unavailable").length;
  const before = { taken: database.taken, probes: probes(), lines: lines(), ms: performance.now() };
  const times: number[] = [];
  for (let turn = 0; turn < 300; turn += 1) {
    const fromMs = performance.now();
    const reply = await order();
    times.push(performance.now() - fromMs);
    expect(reply.status).toBe(503);
    expect(Number(reply.headers["retry-after"])).toBeGreaterThanOrEqual(1);
  }
  // One probe may have begun before.
  const reached = database.taken - before.taken;
  await expect.poll(() => probes() - before.probes + 1).toBeGreaterThanOrEqual(reached);
  // At most two per second, besides the first ones.
  const most = 30 + 2 * Math.ceil((performance.now() - before.ms) / 1_000);
  expect(reached).toBeLessThan(most);
  expect(lines() - before.lines).toBeLessThan(most);
  expect(Math.max(...times)).toBeLessThan(AT_ONCE_MS);
  const ready = await send(`${admin}/ready`);
  expect(ready.status).toBe(200);
  expect(JSON.parse(ready.body)).toMatchObject({ dependencies: { database: "down" } });

  await postgres.start();
  await expectBackSoon();
  await expectChangesCounted("database");
  origin.signal("SIGTERM");
  expect(await exitOf(origin)).toEqual({ code: 0, signal: null });
});
