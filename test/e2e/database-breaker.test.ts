/** PostgreSQL hangs under an origin, and goes: soon nothing waits for it any more, and all is back soon after it. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, inject, onTestFinished, test } from "vitest";
import { CleanupStack } from "../../src/local/cleanup-stack.ts";
import { freePort } from "../../src/local/free-port.ts";
import { erasePostgres, type LocalPostgres, startPostgres } from "../../src/local/postgres.ts";
import { insertSampleData, sampleProductId } from "../../src/origin/api/sample-data.ts";
import { connectPostgres } from "../../src/origin/db/postgres.ts";
import { createLog } from "../../src/origin/log/log.ts";
import { metric, type Reply, send, sendSigned } from "../support/backing.ts";
import { createDatabase } from "../support/database.ts";
import { type Door, startDoor } from "../support/door.ts";
import { dropKeys } from "../support/drop-keys.ts";
import { hold } from "../support/locks.ts";
import { exitOf, type OriginProcess, runOrigin } from "../support/origin-process.ts";

const PRODUCT = sampleProductId(6);
const ORDER = { lines: [{ productId: PRODUCT, quantity: 1 }] };
/** Who waits for a connection waits for up to 5 s; who is refused, for nothing: two noisy cores may take their time. */
const AT_ONCE_MS = 2_000;
/** The promise: so long after the database's return everything is back. */
const BACK_MS = 5_000;

const stops = new CleanupStack();
let postgres: LocalPostgres;
let startServer: () => Promise<LocalPostgres>;
let databaseUrl: string;
let door: Door;
let origin: OriginProcess;
let api: string;
let admin: string;

beforeAll(async () => {
  const folder = await mkdtemp(join(tmpdir(), "breakwater-breaker-"));
  stops.add(() => rm(folder, { recursive: true, force: true }));
  stops.add(() => erasePostgres(folder));
  const port = await freePort();
  startServer = () => startPostgres({ folder, port });
  postgres = await startServer();
  stops.add(() => postgres.stop());
  const database = await createDatabase(postgres.url);
  databaseUrl = database.url;
  door = await startDoor(databaseUrl);
  stops.add(() => door.stop());
  const throughDoor = new URL(databaseUrl);
  throughDoor.port = String(door.port);
  const { redisUrl, redisToken } = inject("servers");
  const keyPrefix = `${database.name}:`;
  stops.add(() => dropKeys(redisUrl, redisToken, keyPrefix));
  origin = runOrigin({
    environment: {
      DATABASE_URL: throughDoor.href,
      REDIS_URL: redisUrl,
      REDIS_TOKEN: redisToken,
      REDIS_KEY_PREFIX: keyPrefix,
    },
  });
  stops.add(() => origin.kill());
  await origin.said("ready");
  const pool = connectPostgres(databaseUrl, { maxConnections: 1, log: createLog("silent") });
  await insertSampleData(pool);
  await pool.query("UPDATE products SET stock = 1000000");
  await pool.close();
  ({ api, admin } = await origin.addresses());
});
afterAll(() => stops.runAll());

const order = (timeoutMs?: number): Promise<Reply> =>
  sendSigned(api, "/v1/orders", {
    method: "POST",
    json: ORDER,
    principal: "alice",
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  });
const orders = (count: number, timeoutMs?: number): Promise<Reply[]> =>
  Promise.all(Array.from({ length: count }, () => order(timeoutMs)));
const statusesOf = (replies: readonly Reply[]): Set<number> => new Set(replies.map(({ status }) => status));

/** The states that the database's breaker has entered so far. */
const entered = (): unknown[] =>
  origin
    .all("circuit breaker")
    .filter(({ dependency }) => dependency === "database")
    .map(({ to }) => to);
const probes = (): number => entered().filter((state) => state === "half_open").length;

const openedBy = async (timeoutMs?: number): Promise<Set<number>> => {
  const before = entered().length;
  const replies: Reply[] = [];
  while (!entered().slice(before).includes("open")) replies.push(...(await orders(8, timeoutMs)));
  return statusesOf(replies);
};

const expectBackSoon = async (): Promise<void> => {
  const allTaken = async (): Promise<Set<number>> => statusesOf(await orders(20));
  await expect.poll(allTaken, { timeout: BACK_MS, interval: 50 }).toEqual(new Set([201]));
  expect(entered().at(-1)).toBe("closed");
};

const state = async (): Promise<string[]> => {
  const { body } = await send(`${admin}/metrics`);
  return metric(body, "circuit_breaker_state").series.filter(
    (line) => line.includes('"database"') && line.endsWith(" 1"),
  );
};
const CLOSED = ['circuit_breaker_state{dependency="database",state="closed"} 1'];

test("statements that the server itself cancels at their deadline never open it, however many", async () => {
  expect(await state()).toEqual(CLOSED);
  const lock = await hold(databaseUrl, "SELECT FROM products WHERE id = $1 FOR UPDATE", [PRODUCT]);
  for (let round = 0; round < 4; round += 1)
    expect(statusesOf(await orders(10, 300))).toEqual(new Set([504]));
  await lock.release();
  expect((await order()).status).toBe(201);
  expect(entered()).toEqual([]);
  expect(await state()).toEqual(CLOSED);
});

test("statements that nobody answers open it, and it closes when they are answered again", async () => {
  door.shut();
  onTestFinished(() => door.open());
  const statuses = await openedBy(300);
  expect([...statuses].filter((status) => status !== 504 && status !== 503)).toEqual([]);
  // Who tries for all whether it is back waits for it until the deadline, and nobody else.
  const before = probes();
  const replies = await orders(40, 2_000);
  const waited = replies.filter(({ status }) => status === 504).length;
  expect(replies.filter(({ status }) => status === 503)).toHaveLength(40 - waited);
  await expect.poll(() => probes() - before + 1).toBeGreaterThanOrEqual(waited);
  expect(waited).toBeLessThan(10);
  door.open();
  await expectBackSoon();
  expect(await state()).toEqual(CLOSED);
});

test("a database that is gone is not asked any more, orders are refused at once, and all is back soon after it", async () => {
  await postgres.stop();
  expect(await openedBy()).toEqual(new Set([503]));
  const before = {
    taken: door.taken,
    probes: probes(),
    lines: origin.all("a dependency is unavailable").length,
  };
  const times: number[] = [];
  for (let turn = 0; turn < 300; turn += 1) {
    const fromMs = performance.now();
    const reply = await order();
    times.push(performance.now() - fromMs);
    expect(reply.status).toBe(503);
    expect(Number(reply.headers["retry-after"])).toBeGreaterThanOrEqual(1);
  }
  // Only probes reach for it, one of which may have been on its way before; and hardly anything else is told of.
  const reached = door.taken - before.taken;
  await expect.poll(() => probes() - before.probes + 1).toBeGreaterThanOrEqual(reached);
  expect(reached).toBeLessThan(30);
  expect(origin.all("a dependency is unavailable").length - before.lines).toBeLessThan(30);
  expect(Math.max(...times)).toBeLessThan(AT_ONCE_MS);

  const ready = await send(`${admin}/ready`);
  expect(ready.status).toBe(200);
  expect(JSON.parse(ready.body)).toMatchObject({ dependencies: { database: "down" } });
  expect(await state()).not.toEqual(CLOSED);

  postgres = await startServer();
  await expectBackSoon();
  expect(await state()).toEqual(CLOSED);
  const { body } = await send(`${admin}/metrics`);
  const changes = metric(body, "circuit_breaker_state_changes_total").series.filter((line) =>
    line.includes('"database"'),
  );
  expect(changes.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0)).toBe(entered().length);

  origin.signal("SIGTERM");
  expect(await exitOf(origin)).toEqual({ code: 0, signal: null });
});
