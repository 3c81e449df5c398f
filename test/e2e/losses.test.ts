import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import * as z from "zod/mini";
import { Order } from "../../src/contract/api/orders.ts";
import { freePort } from "../../src/local/free-port.ts";
import { erasePostgres, startPostgres } from "../../src/local/postgres.ts";
import { sampleProductId } from "../../src/origin/api/sample-data.ts";
import { type System, startSystem } from "../support/system.ts";

let system: System;
let key: string;

beforeAll(async () => {
  system = await startSystem({ origins: 2 });
  key = (await system.createKey("alice")).key;
});
afterAll(() => system?.stop());

const order = { lines: [{ productId: sampleProductId(6), quantity: 1 }] };

const report = z.object({ ready: z.boolean(), dependencies: z.record(z.string(), z.string()) });

interface OrderAnswer {
  readonly status: number;
  /** Of an order that was answered 201. */
  readonly id: string | undefined;
}

const orderOnce = async (target: System, buyer: string): Promise<OrderAnswer> => {
  const response = await target.call("/v1/orders", { method: "POST", key: buyer, json: order });
  const body: unknown = await response.json();
  return { status: response.status, id: response.status === 201 ? Order.parse(body).id : undefined };
};

/** Sends orders one after another until told to stop. */
const orderUntil = async (target: System, buyer: string, stopped: () => boolean): Promise<OrderAnswer[]> => {
  const answers: OrderAnswer[] = [];
  while (!stopped()) answers.push(await orderOnce(target, buyer));
  return answers;
};

/** Orders that were answered 201 and are not there. */
const missingOrders = async (target: System, answers: readonly OrderAnswer[]): Promise<string[]> => {
  const kept = await target.pool.query<{ id: string }>("SELECT id FROM orders");
  const ids = new Set(kept.map(({ id }) => id));
  return answers.flatMap(({ id }) => id ?? []).filter((id) => !ids.has(id));
};

const terminateConnections = async (): Promise<number> => {
  const client = new pg.Client(inject("servers").databaseUrl);
  await client.connect();
  const { rowCount } = await client.query(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND application_name = 'breakwater-origin'",
    [system.databaseName],
  );
  await client.end();
  return rowCount ?? 0;
};

test("connections terminated under requests end no process and lose no order that was answered 201", async () => {
  let isOver = false;
  const workers = Promise.all(Array.from({ length: 8 }, () => orderUntil(system, key, () => isOver)));
  let terminated = 0;
  for (let round = 0; round < 10; round += 1) {
    // A request's answer between two rounds, so that each round meets connections at work.
    await system.call("/v1/products");
    terminated += await terminateConnections();
  }
  isOver = true;
  const answers = (await workers).flat();
  expect(terminated).toBeGreaterThan(10);
  expect(
    [...new Set(answers.map(({ status }) => status))].filter((status) => ![201, 503].includes(status)),
  ).toEqual([]);
  // So many losses may have opened a circuit breaker, for a moment.
  const statusNow = async (): Promise<number> => (await orderOnce(system, key)).status;
  await expect.poll(statusNow, { timeout: 5_000 }).toBe(201);

  expect(await missingOrders(system, answers)).toEqual([]);
  for (const origin of system.origins) expect((await fetch(`${origin.url}/health`)).status).toBe(200);
});

test("a PostgreSQL that restarts under requests is found again, and every order that was answered 201 is there", async () => {
  const folder = await mkdtemp(join(tmpdir(), "breakwater-restart-"));
  const port = await freePort();
  const startServer = () => startPostgres({ folder, port });
  let postgres = await startServer();
  const restarted = await startSystem({ origins: 2, databaseServer: postgres.url });
  try {
    const { key: buyer } = await restarted.createKey("alice");
    let isOver = false;
    const workers = Array.from({ length: 8 }, () => orderUntil(restarted, buyer, () => isOver));
    const readiness = async () =>
      report.parse(await (await fetch(`${restarted.origins[0]?.url}/ready`)).json());
    for (const _ of [1, 2]) {
      await postgres.stop();
      await expect
        .poll(readiness, { timeout: 10_000 })
        .toMatchObject({ ready: true, dependencies: { database: "down" } });
      postgres = await startServer();
      await expect
        .poll(readiness, { timeout: 10_000 })
        .toMatchObject({ ready: true, dependencies: { database: "up" } });
    }
    isOver = true;
    const answers = (await Promise.all(workers)).flat();
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201, 503]));
    expect(await missingOrders(restarted, answers)).toEqual([]);
    const statusNow = async (): Promise<number> => (await orderOnce(restarted, buyer)).status;
    await expect.poll(statusNow, { timeout: 5_000 }).toBe(201);
    for (const { url } of restarted.origins) expect((await fetch(`${url}/health`)).status).toBe(200);
  } finally {
    await restarted.stop();
    await postgres.stop();
    await erasePostgres(folder);
    await rm(folder, { recursive: true, force: true });
  }
});

test("an origin that is told to end answers what it has begun, then exits 0", async () => {
  const blocker = new pg.Client(system.databaseUrl);
  await blocker.connect();
  await blocker.query("BEGIN");
  await blocker.query("SELECT FROM products WHERE id = $1 FOR UPDATE", [sampleProductId(6)]);
  const answered: number[] = [];
  const pending = Promise.all(
    [1, 2, 3, 4].map(async () => {
      const { status } = await orderOnce(system, key);
      answered.push(status);
      return status;
    }),
  );
  await expect
    .poll(async () => {
      // Not by the blocker: inside a transaction the view does not change.
      const [blocked] = await system.pool.query<{ waiting: number }>(
        "SELECT count(*)::int AS waiting FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = $1",
        [system.databaseName],
      );
      return { ...blocked, answered };
    })
    .toEqual({ waiting: 4, answered: [] });
  const stopping = system.origins.map((origin) => origin.stop());
  await expect.poll(() => system.logLines.filter((line) => line.includes('"draining"')).length).toBe(2);
  await blocker.query("COMMIT");
  await blocker.end();
  expect(await pending).toEqual([201, 201, 201, 201]);
  await Promise.all(stopping);
  const exits = await Promise.all(system.origins.map(({ exited }) => exited));
  expect(exits).toEqual([
    { code: 0, signal: null },
    { code: 0, signal: null },
  ]);
});

test("with no origin left the edge answers 503 with Retry-After", async () => {
  const response = await system.call("/v1/products?q=never-asked-before");
  expect(response.status).toBe(503);
  expect(response.headers.get("retry-after")).toBe("1");
});
