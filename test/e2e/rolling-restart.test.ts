/** The Kubernetes way: a new pod is ready before an old one is told to end, and the Service follows. */
import { get } from "node:http";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Order } from "../../src/contract/api/orders.ts";
import type { LocalOrigin } from "../../src/local/origin.ts";
import { addProduct } from "../support/add-product.ts";
import { type Service, startService } from "../support/service.ts";
import { type System, startSystem } from "../support/system.ts";

const WORKERS = 8;
const ROLLS = 5;
/** Ten processes start and end. */
const TIMEOUT_MS = 600_000;
const STOCK = 1_000_000;

let service: Service;
let system: System;
let key: string;
/** Those that are there at the moment. */
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

interface Answer {
  readonly what: string;
  /** 0 where the connection to the edge failed. */
  readonly status: number;
  readonly body: string;
}

const ask = async (what: string, send: () => Promise<Response>): Promise<Answer> => {
  try {
    const response = await send();
    return { what, status: response.status, body: await response.text() };
  } catch (error) {
    return { what, status: 0, body: String(error) };
  }
};

/** What each worker sends in turn; connections are kept alive between. */
const requestsOf = (productId: string): readonly (() => Promise<Answer>)[] => {
  const json = { lines: [{ productId, quantity: 1 }] };
  const place = (headers: Record<string, string>) =>
    system.call("/v1/orders", { method: "POST", key, json, headers });
  return [
    () => ask("GET", () => system.call(`/v1/products/${productId}`)),
    () => ask("POST", () => place({})),
    () => ask("GET", () => system.call("/v1/orders?limit=5", { key })),
    () => ask("POST", () => place({ "idempotency-key": crypto.randomUUID() })),
  ];
};

/** A connection of its own each time: to whichever origin the Service gives it. */
const connectAnew = (): Promise<Answer> =>
  new Promise((resolve) => {
    const sending = get(`${service.url}/health`, { agent: false }, (response) => {
      const { statusCode: status = 0 } = response.resume();
      response.once("close", () => resolve({ what: "GET", status, body: "" }));
    });
    sending.once("error", (error) => resolve({ what: "GET", status: 0, body: String(error) }));
  });

const workUntil = async (
  requests: readonly (() => Promise<Answer>)[],
  first: number,
  isOver: () => boolean,
): Promise<Answer[]> => {
  const answers: Answer[] = [];
  for (let n = first; !isOver(); n += 1) {
    const request = requests[n % requests.length];
    if (request !== undefined) answers.push(await request());
  }
  return answers;
};

/** A new origin takes the old one's place. Returns the new one, and how the old one ended. */
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
    const products = await Promise.all(Array.from({ length: WORKERS }, () => addProduct(system, key, STOCK)));
    let isOver = false;
    const workers = Promise.all([
      ...products.map((productId, n) => workUntil(requestsOf(productId), n, () => isOver)),
      workUntil([connectAnew], 0, () => isOver),
    ]);
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
      isOver = true;
    }
    const answers = (await workers).flat();
    const expected: Record<string, number> = { GET: 200, POST: 201 };
    expect(answers.filter(({ what, status }) => status !== expected[what])).toEqual([]);
    expect(answers.length).toBeGreaterThan(500);
    expect(exits).toEqual(Array.from({ length: 2 * ROLLS }, () => ({ code: 0, signal: null })));
    // Each of them was at work: none was replaced before anything had come to it.
    expect([...service.given.values()].filter((count) => count > 0)).toHaveLength(2 * ROLLS + 2);

    const placed = answers
      .filter(({ what }) => what === "POST")
      .map(({ body }) => Order.parse(JSON.parse(body)).id);
    const kept = await system.pool.query<{ id: string }>("SELECT id FROM orders");
    expect(kept.map(({ id }) => id).sort()).toEqual(placed.sort());
    expect(new Set(placed).size).toBe(placed.length);
  },
  TIMEOUT_MS,
);

test("one of three pods behind the address is killed, and no read fails", async () => {
  const third = await system.startOrigin();
  await service.add(third.url);
  const READERS = 6;
  let sent = 0;
  const read = async (): Promise<Answer> => {
    sent += 1;
    // In the middle of all that the readers send.
    if (sent === 240) void current[0]?.kill();
    return await ask("GET", () => system.call("/v1/orders?limit=5", { key }));
  };
  const answers = await Promise.all(
    Array.from({ length: READERS }, () => workUntil([read], 0, () => sent >= 720)),
  );
  expect(new Set(answers.flat().map(({ status }) => status))).toEqual(new Set([200]));
});
