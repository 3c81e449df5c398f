/** A rolling update as in Kubernetes: a new pod is ready before an old one ends, and the Service follows. */
import { get } from "node:http";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Order } from "#api/contract/orders.ts";
import type { LocalOrigin } from "../../src/local/origin.ts";
import { type Outcome, sendUntil } from "../support/load.ts";
import { addProduct } from "../support/products.ts";
import { type Service, startService } from "../support/service.ts";
import { type System, startSystem } from "../support/system.ts";

/** Senders of each kind of request. */
const SENDERS = 3;
const ROLLS = 5;
/** Ten processes start and end. */
const TIMEOUT_MS = 600_000;
const STOCK = 1_000_000;

let service: Service;
let system: System;
let key: string;
let current: readonly LocalOrigin[];

beforeAll(async () => {
  service = await startService();
  system = await startSystem({
    origins: 2,
    address: service.url,
    originEnvironment: { PRE_STOP: "1s", DATABASE_MAX_CONNECTIONS: "12" },
  });
  await Promise.all(system.origins.map(({ url }) => service.add(url)));
  current = system.origins;
  key = (await system.createKey("alice")).key;
});
afterAll(async () => {
  await system?.stop();
  await service?.stop();
});

const listOrders = (): Promise<Response> => system.call("/v1/orders?limit=5", { key });
const statusesOf = (outcomes: readonly Outcome[]): Set<number> =>
  new Set(outcomes.map(({ status }) => status));

/** Connects anew, to any origin behind the Service. */
const connectAnew = (): Promise<Response> =>
  new Promise((resolve, reject) => {
    const sending = get(`${service.url}/health`, { agent: false }, (response) => {
      const { statusCode: status = 0 } = response.resume();
      response.once("close", () => resolve(new Response(null, { status })));
    });
    sending.once("error", reject);
  });

/** A new origin replaces the old one. @returns both the new one and the old one's exit */
const replace = async (old: LocalOrigin) => {
  const replacement = await system.startOrigin();
  await service.add(replacement.url);
  await old.stop();
  service.remove(old.url);
  return { replacement, exit: await old.exited };
};

test(
  "every origin is replaced five times under load, and no request fails",
  async () => {
    const products = await Promise.all(Array.from({ length: SENDERS }, () => addProduct(system, key, STOCK)));
    let rolled = false;
    const isOver = (): boolean => rolled;
    const place = (productId: string, headers: Record<string, string> = {}) => {
      const json = { lines: [{ productId, quantity: 1 }] };
      return system.call("/v1/orders", { method: "POST", key, json, headers });
    };
    const reading = Promise.all([
      ...products.map((id) => sendUntil(isOver, () => system.call(`/v1/products/${id}`))),
      ...products.map(() => sendUntil(isOver, listOrders)),
      sendUntil(isOver, connectAnew),
    ]);
    const writing = Promise.all(
      products.map((id) =>
        sendUntil(isOver, (turn) =>
          place(id, turn % 2 === 0 ? {} : { "idempotency-key": crypto.randomUUID() }),
        ),
      ),
    );
    const exits: unknown[] = [];
    try {
      for (let roll = 0; roll < ROLLS; roll += 1) {
        const next: LocalOrigin[] = [];
        for (const old of current) {
          const { replacement, exit } = await replace(old);
          next.push(replacement);
          exits.push(exit);
        }
        current = next;
      }
    } finally {
      rolled = true;
    }
    const [reads, writes] = [(await reading).flat(), (await writing).flat()];
    expect(statusesOf(reads)).toEqual(new Set([200]));
    expect(statusesOf(writes)).toEqual(new Set([201]));
    expect(reads.length + writes.length).toBeGreaterThan(500);
    expect(exits).toEqual(Array.from({ length: 2 * ROLLS }, () => ({ code: 0, signal: null })));
    // Every origin has served connections.
    expect([...service.connections.values()].filter((count) => count > 0)).toHaveLength(2 * ROLLS + 2);

    const placed = writes.map(({ body }) => Order.parse(JSON.parse(body)).id);
    const stored = await system.pool.query<{ id: string }>("SELECT id FROM orders");
    expect(stored.map(({ id }) => id).sort()).toEqual(placed.sort());
    expect(new Set(placed).size).toBe(placed.length);
  },
  TIMEOUT_MS,
);

test("no read fails when one of three pods behind the address is killed", async () => {
  const third = await system.startOrigin();
  await service.add(third.url);
  const READERS = 6;
  let sent = 0;
  const read = (): Promise<Response> => {
    sent += 1;
    if (sent === 240) void current[0]?.kill();
    return listOrders();
  };
  const reading = Array.from({ length: READERS }, () => sendUntil(() => sent >= 720, read));
  expect(statusesOf((await Promise.all(reading)).flat())).toEqual(new Set([200]));
});
