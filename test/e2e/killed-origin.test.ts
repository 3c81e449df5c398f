/**
 * One of two origins is killed under load: the responses, and the orders in the database. Alone in its file, because
 * nothing may have failed before: the circuit breaker of the origin that is left would still reject some reads.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { Order } from "#api/contract/orders.ts";
import { type Outcome, sendUntil } from "../support/load.ts";
import { addProduct } from "../support/products.ts";
import { type System, startSystem } from "../support/system.ts";

const STOCK = 1_000_000;
const READERS = 6;
/** Requests of each sender before the origin is killed, and after. */
const BEFORE = 40;
const AFTER = 80;

let system: System;
let key: string;

beforeAll(async () => {
  system = await startSystem({ origins: 2 });
  key = (await system.createKey("alice")).key;
});
afterAll(() => system?.stop());

type Send = (turn: number) => Promise<Response>;

/** The quantity identifies the order. */
const order =
  (productId: string, headers: () => Record<string, string> = () => ({})): Send =>
  (turn) => {
    const json = { lines: [{ productId, quantity: (turn % 100) + 1 }] };
    return system.call("/v1/orders", { method: "POST", key, json, headers: headers() });
  };

const idsOf = (outcomes: readonly Outcome[]): string[] =>
  outcomes.filter(({ status }) => status === 201).map(({ body }) => Order.parse(JSON.parse(body)).id);

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

test("with one of two origins killed, no read fails, no write is made twice, and none with a key is lost", async () => {
  const [unkeyed, keyed] = [await addProduct(system, key, STOCK), await addProduct(system, key, STOCK)];
  const senders: Send[] = [
    ...Array.from({ length: READERS }, () => () => system.call("/v1/orders?limit=5", { key })),
    order(unkeyed),
    order(keyed, () => ({ "idempotency-key": crypto.randomUUID() })),
  ];
  let sent = 0;
  const outcomes = await Promise.all(
    senders.map((send) => {
      let turns = 0;
      const counted: Send = (turn) => {
        turns += 1;
        sent += 1;
        if (sent === BEFORE * senders.length) void system.origins[0]?.kill();
        return send(turn);
      };
      return sendUntil(() => turns === BEFORE + AFTER, counted);
    }),
  );

  const reads = outcomes.slice(0, READERS).flat();
  expect(reads.filter(({ status }) => status !== 200)).toEqual([]);
  const [plain = [], withKey = []] = outcomes.slice(READERS);
  expect(withKey.filter(({ status }) => status !== 201)).toEqual([]);

  // Quantities recur after a hundred orders.
  const times = (quantity: number): number => (quantity <= BEFORE + AFTER - 100 ? 2 : 1);
  const keyedLedger = await ledger(keyed);
  for (const [quantity, ids] of keyedLedger) expect(ids.length).toBe(times(quantity));
  expect([...keyedLedger.values()].flat().sort()).toEqual(idsOf(withKey).sort());

  const plainLedger = await ledger(unkeyed);
  for (const [quantity, ids] of plainLedger) expect(ids.length).toBeLessThanOrEqual(times(quantity));
  const stored = new Set([...plainLedger.values()].flat());
  expect(idsOf(plain).filter((id) => !stored.has(id))).toEqual([]);
  // 503 means that nothing was written; only 504 leaves it open.
  const mayBeStored = plain.filter(({ status }) => status === 201 || status === 504);
  expect(stored.size).toBeLessThanOrEqual(mayBeStored.length);
  // Only requests in flight at that moment may have failed.
  expect(plain.filter(({ status }) => status !== 201).length).toBeLessThanOrEqual(3);
});
