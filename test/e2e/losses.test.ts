/** Connections, the database and an origin are lost under load: what clients see of it, and what the database has. */
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import * as z from "zod/mini";
import { Order } from "../../src/contract/api/orders.ts";
import { addProduct } from "../support/add-product.ts";
import { type OwnPostgres, startOwnPostgres } from "../support/own-postgres.ts";
import { type System, startSystem } from "../support/system.ts";

const STOCK = 1_000_000;
const READERS = 6;
/** Requests of each worker before the origin is killed, and after. */
const BEFORE = 40;
const AFTER = 80;

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

interface Answer {
  /** 0 where the connection to the edge failed. */
  readonly status: number;
  readonly body: string;
}

type Send = (turn: number) => Promise<Response>;

const ask = async (send: Send, turn: number): Promise<Answer> => {
  try {
    const response = await send(turn);
    return { status: response.status, body: await response.text() };
  } catch (error) {
    return { status: 0, body: String(error) };
  }
};

const read: Send = () => system.call("/v1/orders?limit=5", { key });
/** @param headers of each request */
const order =
  (product: string, headers: () => Record<string, string> = () => ({})): Send =>
  (turn) => {
    // By its quantity each order is known again.
    const json = { lines: [{ productId: product, quantity: (turn % 100) + 1 }] };
    return system.call("/v1/orders", { method: "POST", key, json, headers: headers() });
  };

/** Sends one after another until told to stop. */
const sendUntil = async (send: Send, stopped: () => boolean): Promise<Answer[]> => {
  const answers: Answer[] = [];
  for (let turn = 0; !stopped(); turn += 1) answers.push(await ask(send, turn));
  return answers;
};

const statusesOf = (answers: readonly Answer[]): Set<number> => new Set(answers.map(({ status }) => status));
const idsOf = (answers: readonly Answer[]): string[] =>
  answers.filter(({ status }) => status === 201).map(({ body }) => Order.parse(JSON.parse(body)).id);

/** Orders that were answered 201 and are not there. */
const missingOrders = async (answers: readonly Answer[]): Promise<string[]> => {
  const kept = await system.pool.query<{ id: string }>("SELECT id FROM orders");
  const ids = new Set(kept.map(({ id }) => id));
  return idsOf(answers).filter((id) => !ids.has(id));
};

/** Orders by eight clients while something happens. */
const ordersDuring = async (happening: () => Promise<void>): Promise<Answer[]> => {
  let isOver = false;
  const workers = Array.from({ length: 8 }, () => sendUntil(order(productId), () => isOver));
  await happening().finally(() => {
    isOver = true;
  });
  return (await Promise.all(workers)).flat();
};

const expectAllWell = async (): Promise<void> => {
  // So many losses may have opened a circuit breaker, for a moment.
  await expect.poll(async () => (await ask(order(productId), 0)).status, { timeout: 5_000 }).toBe(201);
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

test("connections terminated under requests end no process and lose no order that was answered 201", async () => {
  let terminated = 0;
  const answers = await ordersDuring(async () => {
    for (let round = 0; round < 10; round += 1) {
      // A request's answer between two rounds, so that each round meets connections at work.
      await system.call("/v1/products");
      terminated += await terminateConnections();
    }
  });
  expect(terminated).toBeGreaterThan(10);
  expect([...statusesOf(answers)].filter((status) => ![201, 503].includes(status))).toEqual([]);
  await expectAllWell();
  expect(await missingOrders(answers)).toEqual([]);
});

const report = z.object({ ready: z.boolean(), dependencies: z.record(z.string(), z.string()) });

test("a PostgreSQL that restarts under requests is found again, and every order that was answered 201 is there", async () => {
  const expectDatabase = (database: "up" | "down"): Promise<void> =>
    expect
      .poll(async () => report.parse(await (await fetch(`${system.origins[0]?.url}/ready`)).json()), {
        timeout: 10_000,
      })
      .toMatchObject({ ready: true, dependencies: { database } });
  const answers = await ordersDuring(async () => {
    for (const _ of [1, 2]) {
      await postgres.stop();
      await expectDatabase("down");
      await postgres.start();
      await expectDatabase("up");
    }
  });
  expect(statusesOf(answers)).toEqual(new Set([201, 503]));
  await expectAllWell();
  expect(await missingOrders(answers)).toEqual([]);
});

/** The orders of a product, by their quantity. */
const ledger = async (product: string): Promise<Map<number, string[]>> => {
  const lines = await system.pool.query<{ order_id: string; quantity: number }>(
    "SELECT order_id, quantity FROM order_lines WHERE product_id = $1",
    [product],
  );
  const byQuantity = new Map<number, string[]>();
  for (const { order_id, quantity } of lines)
    byQuantity.set(quantity, [...(byQuantity.get(quantity) ?? []), order_id]);
  return byQuantity;
};

// The last test: it takes one of the two origins away.
test("one of two origins killed: no read fails, no write is made twice, and none with a key is lost", async () => {
  const [unkeyed, keyed] = [await addProduct(system, key, STOCK), await addProduct(system, key, STOCK)];
  const senders: Send[] = [
    ...Array.from({ length: READERS }, () => read),
    order(unkeyed),
    order(keyed, () => ({ "idempotency-key": crypto.randomUUID() })),
  ];
  let sent = 0;
  const answers = await Promise.all(
    senders.map((send) => {
      let turns = 0;
      const counted: Send = (turn) => {
        turns += 1;
        sent += 1;
        // In the middle of all that all of them send.
        if (sent === BEFORE * senders.length) void system.origins[0]?.kill();
        return send(turn);
      };
      return sendUntil(counted, () => turns === BEFORE + AFTER);
    }),
  );

  expect(statusesOf(answers.slice(0, READERS).flat())).toEqual(new Set([200]));
  const [plain = [], withKey = []] = answers.slice(READERS);
  expect(statusesOf(withKey)).toEqual(new Set([201]));

  // A quantity comes again after a hundred orders: of each there were so many.
  const times = (quantity: number): number => (quantity <= BEFORE + AFTER - 100 ? 2 : 1);
  const keyedLedger = await ledger(keyed);
  for (const [quantity, ids] of keyedLedger) expect(ids.length).toBe(times(quantity));
  expect([...keyedLedger.values()].flat().sort()).toEqual(idsOf(withKey).sort());

  const plainLedger = await ledger(unkeyed);
  for (const [quantity, ids] of plainLedger) expect(ids.length).toBeLessThanOrEqual(times(quantity));
  const kept = new Set([...plainLedger.values()].flat());
  expect(idsOf(plain).filter((id) => !kept.has(id))).toEqual([]);
  // What was under way at that moment may have failed, and no more than that.
  expect(plain.filter(({ status }) => status !== 201).length).toBeLessThanOrEqual(3);
});
