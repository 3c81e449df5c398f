/** A mixed load of clients that remember each response: the other side of the ledger. */
import { setTimeout as pause } from "node:timers/promises";
import { Order } from "#api/contract/orders.ts";
import { Product } from "#api/contract/products.ts";
import { fetchRead } from "../support/fetch.ts";
import { type Outcome, outcomeOf } from "../support/load.ts";
import { createRestocks, type Ledger, type OrderEntry, type Result, restock } from "./ledger.ts";
import type { World } from "./world.ts";

/** A request as its client saw it. Times on `performance.now()`. */
export interface Exchange {
  /** Such as `place with key`. */
  readonly action: string;
  readonly status: number;
  readonly startMs: number;
  readonly durationMs: number;
}

export interface History {
  readonly ledger: Ledger;
  readonly exchanges: Exchange[];
  /** Bodies of a response and of its replay. */
  readonly replays: [first: string, again: string][];
}

export interface Load {
  readonly history: History;
  /** Runs the clients until the event is over, and until each knows the outcome of its last action. */
  during(event: () => Promise<void>): Promise<void>;
}

const CLIENTS = 12;
const PRODUCTS = 5;
/** Low, so that products run out. */
const STOCK = 40;
const RESTOCK_INTERVAL_MS = 250;
/** A client's time to think, milliseconds: two cores carry the whole system and its clients. */
const THINK_MS = 20;
const REQUEST_TIMEOUT_MS = 20_000;
/** Of a request with a key, over a minute. */
const MAX_ATTEMPTS = 300;
const RETRY_PAUSE_MS = 200;

export interface Client {
  readonly principal: string;
  readonly address: string;
  readonly key: string;
  /** Orders that it may cancel. */
  readonly own: OrderEntry[];
}

interface Init {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly json?: unknown;
}

const JSON_TYPE = { "content-type": "application/json" };

/** Sends a request of a client, through the edge. @throws if the connection fails */
export const requestAs = (
  edgeUrl: string,
  { key, address }: Pick<Client, "key" | "address">,
  path: string,
  { method = "GET", headers, json }: Init = {},
): Promise<Response> =>
  fetchRead(`${edgeUrl}${path}`, {
    method,
    headers: { authorization: `Bearer ${key}`, "x-local-client": address, ...JSON_TYPE, ...headers },
    signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
    ...(json === undefined ? {} : { body: JSON.stringify(json) }),
  });

export const sendAs = (...request: Parameters<typeof requestAs>): Promise<Outcome> =>
  outcomeOf(requestAs(...request));

/** Adds a product, as soon as the client's key is known. @returns its id @throws Error if it cannot be added */
export const addProduct = async (
  edgeUrl: string,
  client: Pick<Client, "key" | "address">,
  stock: number,
): Promise<string> => {
  const json = { name: `Limited ${crypto.randomUUID()}`, price: { amount: 1, currency: "EUR" }, stock };
  for (let attempt = 1; ; attempt += 1) {
    const { status, body } = await sendAs(edgeUrl, client, "/v1/products", { method: "POST", json });
    if (status === 201) return Product.parse(JSON.parse(body)).id;
    if (attempt === MAX_ATTEMPTS) throw new Error(`no product could be added: ${status} ${body}`);
    await pause(RETRY_PAUSE_MS);
  }
};

const codeOf = ({ status, body }: Outcome): string => {
  if (status === 0) return body;
  const problem: { code?: string } = JSON.parse(body);
  return problem.code ?? "";
};

/** What a response promises: only `outcome_unknown`, and a connection that broke, leave it open. */
const resultOf = (outcome: Outcome): Result => {
  if (outcome.status === 0) return "unknown";
  if (outcome.status < 300) return "done";
  return codeOf(outcome) === "outcome_unknown" ? "unknown" : "not_done";
};

/** @param random what the clients do next, from 0 to below 1 */
export const startLoad = async (
  { edgeUrl, pool, createKey }: World,
  random: () => number = Math.random,
): Promise<Load> => {
  const below = (limit: number): number => Math.floor(random() * limit);
  const exchanges: Exchange[] = [];
  const replays: [string, string][] = [];
  /** Products that an order could not have, until they are restocked. */
  const soldOut = new Set<string>();

  const send = async (action: string, client: Client, path: string, init?: Init): Promise<Outcome> => {
    const startMs = performance.now();
    const outcome = await sendAs(edgeUrl, client, path, init);
    exchanges.push({ action, status: outcome.status, startMs, durationMs: performance.now() - startMs });
    return outcome;
  };

  /** Repeats a request with its key until its outcome is known. */
  const sendWithKey = async (
    action: string,
    client: Client,
    path: string,
    json?: unknown,
  ): Promise<Outcome> => {
    const init = { method: "POST", headers: { "idempotency-key": crypto.randomUUID() }, json };
    let outcome = await send(action, client, path, init);
    for (let attempt = 1; attempt < MAX_ATTEMPTS; attempt += 1) {
      const isUndecided = outcome.status === 0 || outcome.status >= 500 || outcome.status === 429;
      if (!isUndecided && !(outcome.status === 409 && codeOf(outcome) === "idempotency_key_in_use")) break;
      await pause(RETRY_PAUSE_MS);
      outcome = await send(`${action} retried`, client, path, init);
    }
    if (outcome.status < 300 && below(4) === 0) {
      const again = await send(`${action} again`, client, path, init);
      if (again.status < 300 && again.status > 0) replays.push([outcome.body, again.body]);
    }
    return outcome;
  };

  const createClient = async (n: number): Promise<Client> => {
    const principal = `client-${n}`;
    const { key } = await createKey(principal);
    return { principal, key, address: `192.0.2.${n + 1}`, own: [] };
  };
  await createRestocks(pool);
  const clients = await Promise.all(Array.from({ length: CLIENTS }, (_, n) => createClient(n)));

  const productIds: string[] = [];
  for (const client of clients.slice(0, PRODUCTS)) productIds.push(await addProduct(edgeUrl, client, STOCK));
  const ledger: Ledger = { stockAtStart: STOCK, productIds, orders: [], changes: [] };

  const place = async (client: Client, isKeyed: boolean): Promise<void> => {
    const start = below(PRODUCTS);
    const lines = Array.from({ length: 1 + below(3) }, (_, n) => ({
      productId: productIds[(start + n) % PRODUCTS] ?? "",
      quantity: 1 + below(4),
    }));
    const entry: OrderEntry = { principal: client.principal, lines, result: "unknown" };
    ledger.orders.push(entry);
    const outcome = isKeyed
      ? await sendWithKey("place with key", client, "/v1/orders", { lines })
      : await send("place", client, "/v1/orders", { method: "POST", json: { lines } });
    entry.result = resultOf(outcome);
    entry.answer = `${outcome.status} ${codeOf(outcome)}`;
    if (outcome.status === 409) for (const { productId } of lines) soldOut.add(productId);
    if (entry.result !== "done") return;
    entry.id = Order.parse(JSON.parse(outcome.body)).id;
    client.own.push(entry);
  };

  const cancel = async (client: Client, order: OrderEntry): Promise<void> => {
    order.cancellation = "unknown";
    const outcome = await sendWithKey("cancel", client, `/v1/orders/${order.id}/cancel`);
    order.cancellation = resultOf(outcome);
  };

  const change = async (client: Client): Promise<void> => {
    const productId = productIds[below(PRODUCTS)] ?? "";
    const json = { price: { amount: 100 + below(900), currency: "EUR" } };
    const init = { method: "PATCH", headers: { "if-match": "*" }, json };
    const outcome = await send("change", client, `/v1/products/${productId}`, init);
    ledger.changes.push({ productId, result: resultOf(outcome) });
  };

  const act = async (client: Client): Promise<void> => {
    const dice = below(100);
    const last = client.own.at(-1);
    if (dice < 40) await place(client, dice < 30);
    else if (dice < 55 && last !== undefined) {
      client.own.pop();
      await cancel(client, last);
    } else if (dice < 60) await change(client);
    else if (dice < 70 && last?.id !== undefined) await send("read", client, `/v1/orders/${last.id}`);
    else await send("list", client, "/v1/products?limit=5");
  };

  /** Only what is sold out, so that products run out at any speed. */
  const restockAll = async (): Promise<void> => {
    for (const productId of soldOut) {
      soldOut.delete(productId);
      // Its transaction fails as a whole while PostgreSQL is away.
      await restock(pool, productId, 10 + below(30)).catch(() => undefined);
    }
  };

  return {
    history: { ledger, exchanges, replays },
    during: async (event) => {
      let isOver = false;
      const untilOver = async (work: () => Promise<void>, pauseMs: number): Promise<void> => {
        while (!isOver) {
          await work();
          await pause(pauseMs);
        }
      };
      const running = [
        untilOver(restockAll, RESTOCK_INTERVAL_MS),
        ...clients.map((client) => untilOver(() => act(client), THINK_MS)),
      ];
      await event().finally(() => {
        isOver = true;
      });
      await Promise.all(running);
    },
  };
};
