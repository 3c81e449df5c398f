/** Orders with a key are placed once, whatever happens to connections and to an origin. */
import { request } from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Order } from "../../src/contract/api/orders.ts";
import { addProduct } from "../support/add-product.ts";
import { type System, startSystem } from "../support/system.ts";

const KEYS = 100;
const TRIES_EACH = 10;
const AT_ONCE = 150;
/** After so many requests an origin is killed. */
const KILL_AT = 450;
const STOCK = 100_000;
/** How long the cut connections live after their request, milliseconds: from before it is read to within it. */
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

interface Try {
  /** 0 where the connection broke before there was an answer. */
  readonly status: number;
  readonly location: string | null;
  readonly body: string;
}

const keyOf = (n: number): string => `once-${n}`;
const bodyOf = (n: number): string =>
  JSON.stringify({ lines: [{ productId: products[n % products.length], quantity: 1 }] });

const headersOf = (n: number): Record<string, string> => ({
  authorization: `Bearer ${alice}`,
  "content-type": "application/json",
  "idempotency-key": keyOf(n),
});

/** Sends it, and does not stay for the answer. @returns whether something of an answer had come */
const sendAndCut = async (n: number, afterMs: number): Promise<boolean> => {
  const headers = { ...headersOf(n), "content-length": Buffer.byteLength(bodyOf(n)) };
  const sending = request(`${system.edgeUrl}/v1/orders`, { method: "POST", headers, agent: false });
  const closed = new Promise((resolve) => void sending.once("close", resolve));
  let isAnswered = false;
  sending.on("response", () => {
    isAnswered = true;
  });
  // The edge may end it first.
  sending.on("error", () => undefined);
  await Promise.race([closed, new Promise<void>((resolve) => void sending.end(bodyOf(n), resolve))]);
  if (afterMs > 0) await Promise.race([closed, pause(afterMs)]);
  sending.destroy();
  await closed;
  return isAnswered;
};

const tryOnce = async (n: number): Promise<Try> => {
  try {
    const response = await system.call("/v1/orders", {
      method: "POST",
      headers: headersOf(n),
      body: bodyOf(n),
    });
    const location = response.headers.get("location");
    return { status: response.status, location, body: await response.text() };
  } catch (error) {
    return { status: 0, location: null, body: String(error) };
  }
};

/** Nothing is known yet: the connection broke, the key is in use, or nobody could take the request. */
const isUndecided = (status: number): boolean => status === 0 || status === 409 || status >= 500;

/** As a client does that wants to know: again and again, until there is an answer. */
const untilAnswered = async (n: number): Promise<Try> => {
  let latest: Try | undefined;
  await expect
    .poll(
      async () => {
        latest = await tryOnce(n);
        return isUndecided(latest.status);
      },
      { timeout: 20_000, interval: 20 },
    )
    .toBe(false);
  if (latest === undefined) throw new Error("never asked");
  return latest;
};

/** Calls each of them, no more than `width` at a time, in order. */
const atMost = async (width: number, work: readonly (() => Promise<void>)[]): Promise<void> => {
  const rest = work.values();
  const worker = async (): Promise<void> => {
    for (const each of rest) await each();
  };
  await Promise.all(Array.from({ length: width }, worker));
};

const orderIds = async (): Promise<string[]> =>
  (await system.pool.query<{ id: string }>("SELECT id FROM orders")).map(({ id }) => id);

test("1,000 orders by 100 keys, half of them cut off and an origin killed among them, are 100 orders", async () => {
  const heard = Array.from({ length: KEYS }, (): Try[] => []);
  let sent = 0;
  let cutUnanswered = 0;
  let killing: Promise<unknown> | undefined;

  /** Even tries wait for their answer, odd ones do not. */
  const send = (n: number, attempt: number) => async (): Promise<void> => {
    sent += 1;
    const [origin] = system.origins;
    if (sent === KILL_AT && origin !== undefined) killing = origin.kill().then(() => origin.exited);
    if (attempt % 2 === 0) {
      heard[n]?.push(await tryOnce(n));
      return;
    }
    const afterMs = CUT_AFTER_MS[(n + (attempt - 1) / 2) % CUT_AFTER_MS.length] ?? 0;
    if (!(await sendAndCut(n, afterMs))) cutUnanswered += 1;
  };
  const all = Array.from({ length: KEYS * TRIES_EACH }, (_, index) =>
    send(Math.floor(index / TRIES_EACH), index % TRIES_EACH),
  );
  await atMost(AT_ONCE, all);
  expect(sent).toBe(1_000);
  expect(cutUnanswered).toBeGreaterThan(250);
  expect(await killing).toEqual({ code: null, signal: "SIGKILL" });
  const strange = heard.flat().filter(({ status }) => status !== 201 && !isUndecided(status));
  expect(strange).toEqual([]);

  const answers: Try[] = [];
  const ask = (n: number) => async (): Promise<void> => {
    answers[n] = await untilAnswered(n);
  };
  await atMost(
    20,
    heard.map((_, n) => ask(n)),
  );
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201]));
  const ids = answers.map(({ body }) => Order.parse(JSON.parse(body)).id);
  expect(new Set(ids).size).toBe(KEYS);
  expect((await orderIds()).sort()).toEqual([...ids].sort());
  const [stock] = await system.pool.query<{ taken: number }>(
    "SELECT (count(*) * $1 - sum(stock))::int AS taken FROM products WHERE id = ANY ($2::uuid[])",
    [STOCK, products],
  );
  expect(stock?.taken).toBe(KEYS);

  // What was answered 201 among the cut connections and the killed origin is what every later try is told.
  const again = (n: number) => async (): Promise<void> => {
    for (const _ of [1, 2, 3]) expect(await untilAnswered(n)).toEqual(answers[n]);
    for (const told of heard[n] ?? []) if (told.status === 201) expect(told).toEqual(answers[n]);
  };
  await atMost(
    20,
    heard.map((_, n) => again(n)),
  );
  expect(await orderIds()).toHaveLength(KEYS);
});
