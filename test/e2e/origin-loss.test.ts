/** An origin that is killed under load: what its clients see of it, and what the database has of it. */
import { afterEach, expect, test } from "vitest";
import { Order } from "../../src/contract/api/orders.ts";
import type { LocalOrigin } from "../../src/local/origin.ts";
import { addProduct } from "../support/add-product.ts";
import { type Service, startService } from "../support/service.ts";
import { type System, startSystem } from "../support/system.ts";

const STOCK = 1_000_000;
const READERS = 6;
/** Requests of each worker before the origin is killed, and after. */
const BEFORE = 40;
const AFTER = 80;

let service: Service | undefined;
let system: System | undefined;

afterEach(async () => {
  await system?.stop();
  await service?.stop();
  service = undefined;
  system = undefined;
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

/** Sends one after another; kills in the middle of all that all of them send. */
const underLoad = async (senders: readonly Send[], kill: () => void): Promise<Answer[][]> => {
  let sent = 0;
  const work = async (send: Send): Promise<Answer[]> => {
    const answers: Answer[] = [];
    for (let turn = 0; turn < BEFORE + AFTER; turn += 1) {
      sent += 1;
      if (sent === BEFORE * senders.length) kill();
      answers.push(await ask(send, turn));
    }
    return answers;
  };
  return await Promise.all(senders.map(work));
};

const kill = (origin: LocalOrigin | undefined): void => {
  if (origin === undefined) throw new Error("there is none");
  void origin.kill();
};

const statuses = (answers: readonly Answer[]): number[] => [...new Set(answers.map(({ status }) => status))];
const idsOf = (answers: readonly Answer[]): string[] =>
  answers.filter(({ status }) => status === 201).map(({ body }) => Order.parse(JSON.parse(body)).id);

/** How many orders there are of each quantity. */
const ledger = async ({ pool }: System, productId: string): Promise<Map<number, string[]>> => {
  const lines = await pool.query<{ order_id: string; quantity: number }>(
    "SELECT order_id, quantity FROM order_lines WHERE product_id = $1",
    [productId],
  );
  const byQuantity = new Map<number, string[]>();
  for (const { order_id, quantity } of lines)
    byQuantity.set(quantity, [...(byQuantity.get(quantity) ?? []), order_id]);
  return byQuantity;
};

test("one of two origins killed: no read fails, no write is made twice, and none with a key is lost", async () => {
  const started = await startSystem({ origins: 2 });
  system = started;
  const { key } = await started.createKey("alice");
  const [unkeyed, keyed] = [await addProduct(started, key, STOCK), await addProduct(started, key, STOCK)];
  /** By its quantity each order is known again. */
  const order =
    (productId: string, headers: () => Record<string, string>): Send =>
    (turn) => {
      const json = { lines: [{ productId, quantity: (turn % 100) + 1 }] };
      return started.call("/v1/orders", { method: "POST", key, json, headers: headers() });
    };
  const read: Send = () => started.call("/v1/orders?limit=5", { key });
  const senders = [
    ...Array.from({ length: READERS }, () => read),
    order(unkeyed, () => ({})),
    order(keyed, () => ({ "idempotency-key": crypto.randomUUID() })),
  ];
  const answers = await underLoad(senders, () => kill(started.origins[0]));

  expect(statuses(answers.slice(0, READERS).flat())).toEqual([200]);
  const [plain = [], withKey = []] = answers.slice(READERS);
  expect(statuses(withKey)).toEqual([201]);

  // A quantity comes again after a hundred orders: of each there were so many.
  const times = (quantity: number): number => (quantity <= BEFORE + AFTER - 100 ? 2 : 1);
  const keyedLedger = await ledger(started, keyed);
  for (const [quantity, ids] of keyedLedger) expect(ids.length).toBe(times(quantity));
  expect([...keyedLedger.values()].flat().sort()).toEqual(idsOf(withKey).sort());

  const plainLedger = await ledger(started, unkeyed);
  for (const [quantity, ids] of plainLedger) expect(ids.length).toBeLessThanOrEqual(times(quantity));
  const kept = new Set([...plainLedger.values()].flat());
  expect(idsOf(plain).filter((id) => !kept.has(id))).toEqual([]);
  // What was under way at that moment may have failed, and no more than that.
  expect(plain.filter(({ status }) => status !== 201).length).toBeLessThanOrEqual(3);
});

test("one of three pods behind one address killed: no read fails", async () => {
  const address = await startService();
  service = address;
  const started = await startSystem({ origins: 3, address: address.url });
  system = started;
  await Promise.all(started.origins.map(({ url }) => address.add(url)));
  const { key } = await started.createKey("alice");
  const read: Send = () => started.call("/v1/orders?limit=5", { key });
  const answers = await underLoad(
    Array.from({ length: READERS }, () => read),
    () => kill(started.origins[0]),
  );
  expect(statuses(answers.flat())).toEqual([200]);
  // It was at work before.
  expect(address.given.get(started.origins[0]?.url ?? "")).toBeGreaterThan(0);
});
