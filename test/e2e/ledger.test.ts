/**
 * A shop under mixed load while PostgreSQL is killed three times: no order is lost, made twice or oversold. LEDGER_S is
 * the duration of the load in seconds; 30 by default.
 */
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Order } from "#api/contract/orders.ts";
import { type Outcome, outcomeOf } from "../support/load.ts";
import { type OwnPostgres, startOwnPostgres } from "../support/own-postgres.ts";
import { addProduct } from "../support/products.ts";
import { type System, startSystem } from "../support/system.ts";
import {
  createRestocks,
  findFaults,
  type Ledger,
  type OrderEntry,
  type Result,
  restock,
} from "./support/ledger.ts";

const DURATION_MS = Number(process.env["LEDGER_S"] ?? 30) * 1_000;
const KILLS = 3;
/** PostgreSQL is away for this long, milliseconds. */
const OUTAGE_MS = 2_000;
const CLIENTS = 12;
const PRODUCTS = 5;
/** Low, so that products run out. */
const STOCK = 40;
const RESTOCK_INTERVAL_MS = 250;
/** Longer than an outage. */
const MAX_ATTEMPTS = 100;

let postgres: OwnPostgres;
let system: System;
let isOver = false;
let ledger: Ledger;
/** Products that an order could not have, until they are restocked. */
const soldOut = new Set<string>();
const counts = new Map<string, number>();
const replays: [first: string, again: string][] = [];

beforeAll(async () => {
  postgres = await startOwnPostgres();
  system = await startSystem({ origins: 2, databaseServer: postgres.url });
  const { key } = await system.createKey("owner");
  const productIds: string[] = [];
  for (let n = 0; n < PRODUCTS; n += 1) productIds.push(await addProduct(system, key, STOCK));
  await createRestocks(system.pool);
  ledger = { stockAtStart: STOCK, productIds, orders: [], changes: [] };
});
afterAll(async () => {
  await system?.stop();
  await postgres?.remove();
});

const below = (limit: number): number => Math.floor(Math.random() * limit);

const send = async (action: string, path: string, init: Parameters<System["call"]>[1]): Promise<Outcome> => {
  const outcome = await outcomeOf(system.call(path, init));
  const name = `${action} ${outcome.status}`;
  counts.set(name, (counts.get(name) ?? 0) + 1);
  return outcome;
};

const codeOf = ({ body }: Outcome): string => {
  const problem: { code?: string } = JSON.parse(body);
  return problem.code ?? "";
};

/** What a response promises: only `outcome_unknown`, and a connection that broke, leave it open. */
const resultOf = (outcome: Outcome): Result => {
  if (outcome.status === 0) return "unknown";
  if (outcome.status < 300) return "done";
  return codeOf(outcome) === "outcome_unknown" ? "unknown" : "not_done";
};

/** Repeats a request with its key until its outcome is known. */
const sendWithKey = async (action: string, path: string, key: string, json?: unknown): Promise<Outcome> => {
  const headers = { "idempotency-key": crypto.randomUUID() };
  const init = { method: "POST", key, headers, ...(json === undefined ? {} : { json }) };
  let outcome = await send(action, path, init);
  for (let attempt = 1; attempt < MAX_ATTEMPTS; attempt += 1) {
    const isUndecided = outcome.status === 0 || outcome.status >= 500;
    if (!isUndecided && !(outcome.status === 409 && codeOf(outcome) === "idempotency_key_in_use")) break;
    await pause(100);
    outcome = await send(action, path, init);
  }
  if (outcome.status < 300 && below(4) === 0) {
    const again = await send(`${action} again`, path, init);
    if (again.status < 300) replays.push([outcome.body, again.body]);
  }
  return outcome;
};

const place = async (principal: string, key: string, isKeyed: boolean): Promise<OrderEntry> => {
  const first = below(PRODUCTS);
  const lines = Array.from({ length: 1 + below(3) }, (_, n) => ({
    productId: ledger.productIds[(first + n) % PRODUCTS] ?? "",
    quantity: 1 + below(4),
  }));
  const entry: OrderEntry = { principal, lines, result: "unknown" };
  ledger.orders.push(entry);
  const outcome = isKeyed
    ? await sendWithKey("place with key", "/v1/orders", key, { lines })
    : await send("place", "/v1/orders", { method: "POST", key, json: { lines } });
  entry.result = resultOf(outcome);
  if (outcome.status === 409) for (const { productId } of lines) soldOut.add(productId);
  if (entry.result === "done") entry.id = Order.parse(JSON.parse(outcome.body)).id;
  return entry;
};

const cancel = async (order: OrderEntry, key: string): Promise<void> => {
  order.cancellation = "unknown";
  const outcome = await sendWithKey("cancel", `/v1/orders/${order.id}/cancel`, key);
  order.cancellation = resultOf(outcome);
};

const change = async (key: string): Promise<void> => {
  const productId = ledger.productIds[below(PRODUCTS)] ?? "";
  const json = { price: { amount: 100 + below(900), currency: "EUR" } };
  const headers = { "if-match": "*" };
  const outcome = await send("change", `/v1/products/${productId}`, { method: "PATCH", key, headers, json });
  ledger.changes.push({ productId, result: resultOf(outcome) });
};

/** One client's day: it places, cancels, changes and reads until the load ends. */
const trade = async (principal: string): Promise<void> => {
  const { key } = await system.createKey(principal);
  const own: OrderEntry[] = [];
  while (!isOver) {
    const dice = below(100);
    const last = own.at(-1);
    if (dice < 60) {
      const order = await place(principal, key, dice < 45);
      if (order.id !== undefined) own.push(order);
    } else if (dice < 80 && last?.id !== undefined) {
      own.pop();
      await cancel(last, key);
    } else if (dice < 88) await change(key);
    else if (dice < 94 && last?.id !== undefined) await send("read", `/v1/orders/${last.id}`, { key });
    else await send("list", "/v1/products", {});
  }
};

/** Only what is sold out, so that products run out on a slow machine, too. */
const restockAll = async (): Promise<void> => {
  while (!isOver) {
    await pause(RESTOCK_INTERVAL_MS);
    for (const productId of soldOut) {
      soldOut.delete(productId);
      // Its transaction fails as a whole while PostgreSQL is away.
      await restock(system.pool, productId, 10 + below(30)).catch(() => undefined);
    }
  }
};

const killPostgres = async (): Promise<void> => {
  for (let kill = 0; kill < KILLS; kill += 1) {
    await pause(DURATION_MS / (KILLS + 1));
    await postgres.kill();
    await pause(OUTAGE_MS);
    await postgres.start();
  }
  await pause(DURATION_MS / (KILLS + 1));
  isOver = true;
};

test(
  "no order is lost, made twice or oversold, and no response is a 500",
  async () => {
    const clients = Array.from({ length: CLIENTS }, (_, n) => trade(`client-${n}`));
    await Promise.all([killPostgres(), restockAll(), ...clients]);
    const summary = {
      orders: ledger.orders.length,
      replays: replays.length,
      ...Object.fromEntries([...counts].sort()),
    };
    if (process.env["LEDGER_S"] !== undefined)
      process.stdout.write(`${JSON.stringify(summary, undefined, 2)}\n`);

    await expect.poll(() => findFaults(ledger, system.pool).catch(String), { timeout: 20_000 }).toEqual([]);
    expect([...counts.keys()].filter((name) => name.endsWith(" 500"))).toEqual([]);
    for (const [first, again] of replays) expect(again).toBe(first);
    // The load has met what it is about.
    expect([...counts.keys()]).toEqual(
      expect.arrayContaining(["place 201", "place 409", "place 503", "cancel 200", "change 200"]),
    );
    expect(replays.length).toBeGreaterThan(10);
  },
  DURATION_MS + 120_000,
);
