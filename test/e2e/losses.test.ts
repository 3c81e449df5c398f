/** Connections and the database are lost under load: the responses, and the orders in the database. */
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import * as z from "zod/mini";
import { Order } from "#api/contract/orders.ts";
import { type Outcome, sendUntil } from "../support/load.ts";
import { type OwnPostgres, startOwnPostgres } from "../support/own-postgres.ts";
import { addProduct } from "../support/products.ts";
import { type System, startSystem } from "../support/system.ts";

const STOCK = 1_000_000;

let postgres: OwnPostgres;
let system: System;
let key: string;
let productId: string;

beforeAll(async () => {
  postgres = await startOwnPostgres();
  system = await startSystem({ origins: 2, databaseServer: postgres.url });
  key = (await system.createKey("alice")).key;
  productId = await addProduct(system, key, STOCK);
});
afterAll(async () => {
  await system?.stop();
  await postgres?.remove();
});

const order = (): Promise<Response> =>
  system.call("/v1/orders", { method: "POST", key, json: { lines: [{ productId, quantity: 1 }] } });

const statusesOf = (outcomes: readonly Outcome[]): Set<number> =>
  new Set(outcomes.map(({ status }) => status));
const idsOf = (outcomes: readonly Outcome[]): string[] =>
  outcomes.filter(({ status }) => status === 201).map(({ body }) => Order.parse(JSON.parse(body)).id);

/** Orders with a 201 that are not in the database. */
const missingOrders = async (outcomes: readonly Outcome[]): Promise<string[]> => {
  const stored = await system.pool.query<{ id: string }>("SELECT id FROM orders");
  const ids = new Set(stored.map(({ id }) => id));
  return idsOf(outcomes).filter((id) => !ids.has(id));
};

const orderCount = async (): Promise<number> => {
  const [row] = await system.pool.query<{ orders: number }>("SELECT count(*)::int AS orders FROM orders");
  return row?.orders ?? 0;
};

/** 503 means that nothing was written; only 504 leaves it open. */
const expectHonest = async (outcomes: readonly Outcome[], before: number): Promise<void> => {
  const count = (status: number) => outcomes.filter((outcome) => outcome.status === status).length;
  expect([...statusesOf(outcomes)].filter((status) => ![201, 503, 504].includes(status))).toEqual([]);
  const unknown = outcomes.filter(({ status }) => status === 504);
  for (const { body } of unknown) expect(JSON.parse(body)).toMatchObject({ code: "outcome_unknown" });
  const stored = (await orderCount()) - before;
  expect(stored).toBeGreaterThanOrEqual(count(201));
  expect(stored).toBeLessThanOrEqual(count(201) + count(504));
};

/** The outcomes of eight clients' orders during an event. */
const ordersDuring = async (event: () => Promise<void>): Promise<Outcome[]> => {
  let isOver = false;
  const senders = Array.from({ length: 8 }, () => sendUntil(() => isOver, order));
  await event().finally(() => {
    isOver = true;
  });
  return (await Promise.all(senders)).flat();
};

const expectAllWell = async (): Promise<void> => {
  // The losses may have opened a circuit breaker for a moment.
  await expect.poll(async () => (await order()).status, { timeout: 5_000 }).toBe(201);
  for (const { url } of system.origins) expect((await fetch(`${url}/health`)).status).toBe(200);
};

const terminateConnections = async (): Promise<number> => {
  const client = new pg.Client(postgres.url);
  await client.connect();
  const { rowCount } = await client.query(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND application_name = 'breakwater-origin'",
    [system.databaseName],
  );
  await client.end();
  return rowCount ?? 0;
};

test("terminated connections end no process and lose no order with a 201", async () => {
  let terminated = 0;
  const before = await orderCount();
  const outcomes = await ordersDuring(async () => {
    for (let round = 0; round < 10; round += 1) {
      // A response between two rounds, so that each round meets busy connections.
      await system.call("/v1/products");
      terminated += await terminateConnections();
    }
  });
  expect(terminated).toBeGreaterThan(10);
  await expectHonest(outcomes, before);
  await expectAllWell();
  expect(await missingOrders(outcomes)).toEqual([]);
});

const report = z.object({ ready: z.boolean(), dependencies: z.record(z.string(), z.string()) });

test("a restarted PostgreSQL is used again, and has every order with a 201", async () => {
  const expectDatabase = (database: "up" | "down"): Promise<void> =>
    expect
      .poll(async () => report.parse(await (await fetch(`${system.origins[0]?.url}/ready`)).json()), {
        timeout: 10_000,
      })
      .toMatchObject({ ready: true, dependencies: { database } });
  const before = await orderCount();
  const outcomes = await ordersDuring(async () => {
    for (const _ of [1, 2]) {
      await postgres.stop();
      await expectDatabase("down");
      await postgres.start();
      await expectDatabase("up");
    }
  });
  await expectHonest(outcomes, before);
  expect(statusesOf(outcomes)).toContain(503);
  await expectAllWell();
  expect(await missingOrders(outcomes)).toEqual([]);
});
