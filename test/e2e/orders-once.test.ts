/** Orders with an idempotency key are placed once, whatever happens to connections and to an origin. */
import { request } from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Order } from "#api/contract/orders.ts";
import { inParallel, type Outcome, outcomeOf } from "../support/load.ts";
import { addProduct } from "../support/products.ts";
import { type System, startSystem } from "../support/system.ts";

const KEYS = 100;
const TRIES_EACH = 10;
/** The request at which an origin is killed. */
const KILL_AT = 450;
const STOCK = 100_000;
/** Delays between a request and the cut of its connection, milliseconds: before it is read, and while it is served. */
const CUT_AFTER_MS = [0, 5, 20, 60, 150];

let system: System;
let alice: string;
let products: string[];

beforeAll(async () => {
  system = await startSystem({ origins: 2 });
  alice = (await system.createKey("alice")).key;
  products = await Promise.all(Array.from({ length: 4 }, () => addProduct(system, alice, STOCK)));
});
afterAll(() => system?.stop());

const bodyOf = (n: number): string =>
  JSON.stringify({ lines: [{ productId: products[n % products.length], quantity: 1 }] });

const headersOf = (n: number): Record<string, string> => ({
  authorization: `Bearer ${alice}`,
  "content-type": "application/json",
  "idempotency-key": `once-${n}`,
});

/** Sends a request, and closes the connection. @returns whether a response had begun */
const sendAndCut = async (n: number, afterMs: number): Promise<boolean> => {
  const headers = { ...headersOf(n), "content-length": Buffer.byteLength(bodyOf(n)) };
  const sending = request(`${system.edgeUrl}/v1/orders`, { method: "POST", headers, agent: false });
  const closed = new Promise((resolve) => void sending.once("close", resolve));
  let isAnswered = false;
  sending.on("response", () => {
    isAnswered = true;
  });
  // The edge may close it first.
  sending.on("error", () => undefined);
  await Promise.race([closed, new Promise<void>((resolve) => void sending.end(bodyOf(n), resolve))]);
  if (afterMs > 0) await Promise.race([closed, pause(afterMs)]);
  sending.destroy();
  await closed;
  return isAnswered;
};

const tryOnce = (n: number): Promise<Outcome> =>
  outcomeOf(system.call("/v1/orders", { method: "POST", headers: headersOf(n), body: bodyOf(n) }));

/** The outcome is unknown: the connection broke, the key is in use, or no origin accepted the request. */
const isUndecided = (status: number): boolean => status === 0 || status === 409 || status >= 500;

/** Retries like a client until the outcome is known. */
const untilDecided = async (n: number): Promise<Outcome> => {
  let latest: Outcome = { status: 0, body: "" };
  await expect
    .poll(
      async () => {
        latest = await tryOnce(n);
        return isUndecided(latest.status);
      },
      { timeout: 20_000, interval: 20 },
    )
    .toBe(false);
  return latest;
};

const orderIds = async (): Promise<string[]> =>
  (await system.pool.query<{ id: string }>("SELECT id FROM orders")).map(({ id }) => id);

test("1,000 orders with 100 keys, half of them cut off and one origin killed, are 100 orders", async () => {
  const keys = Array.from({ length: KEYS }, (_, n) => n);
  const outcomes = keys.map((): Outcome[] => []);
  let sent = 0;
  let cutUnanswered = 0;
  let killing: Promise<unknown> | undefined;

  const tries = keys.flatMap((n) => Array.from({ length: TRIES_EACH }, (_, attempt) => ({ n, attempt })));
  await inParallel(tries, 150, async ({ n, attempt }) => {
    sent += 1;
    const [origin] = system.origins;
    if (sent === KILL_AT && origin !== undefined) killing = origin.kill().then(() => origin.exited);
    // Even tries await their response, odd ones are cut off.
    if (attempt % 2 === 0) {
      outcomes[n]?.push(await tryOnce(n));
      return;
    }
    const afterMs = CUT_AFTER_MS[(n + (attempt - 1) / 2) % CUT_AFTER_MS.length] ?? 0;
    if (!(await sendAndCut(n, afterMs))) cutUnanswered += 1;
  });
  expect(sent).toBe(1_000);
  expect(cutUnanswered).toBeGreaterThan(250);
  expect(await killing).toEqual({ code: null, signal: "SIGKILL" });
  const unexpected = outcomes.flat().filter(({ status }) => status !== 201 && !isUndecided(status));
  expect(unexpected).toEqual([]);

  const answers: Outcome[] = [];
  await inParallel(keys, 20, async (n) => {
    answers[n] = await untilDecided(n);
  });
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201]));
  const ids = answers.map(({ body }) => Order.parse(JSON.parse(body)).id);
  expect(new Set(ids).size).toBe(KEYS);
  expect((await orderIds()).sort()).toEqual([...ids].sort());
  const [stock] = await system.pool.query<{ taken: number }>(
    "SELECT (count(*) * $1 - sum(stock))::int AS taken FROM products WHERE id = ANY ($2::uuid[])",
    [STOCK, products],
  );
  expect(stock?.taken).toBe(KEYS);

  // Every 201 of a key has the same body, before and after.
  await inParallel(keys, 20, async (n) => {
    for (const _ of [1, 2, 3]) expect(await untilDecided(n)).toEqual(answers[n]);
    for (const outcome of outcomes[n] ?? []) if (outcome.status === 201) expect(outcome).toEqual(answers[n]);
  });
  expect(await orderIds()).toHaveLength(KEYS);
});
