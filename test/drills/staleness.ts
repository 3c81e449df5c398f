/** A product that one client changes while another reads it: how much older than the last change the reads are. */
import { setTimeout as pause } from "node:timers/promises";
import { getProduct, Product } from "#api/contract/products.ts";
import { windowsOf } from "../../src/middleware/response-cache/entry.ts";
import { addProduct, type Client, sendAs } from "./clients.ts";
import type { World } from "./world.ts";

const CHANGE_INTERVAL_MS = 300;
const READ_INTERVAL_MS = 100;
/** A stale response while a newer one is made. */
const REFRESH_MS = 1_000;
const { freshMs } = windowsOf(getProduct.policy.cache, 0);
/** A change that no cache was informed of is visible when the response is no longer fresh, milliseconds. */
export const MAX_STALENESS_MS = freshMs + REFRESH_MS;

interface Read {
  readonly startMs: number;
  readonly amount: number;
}

interface Change {
  readonly doneMs: number;
  readonly amount: number;
}

/** How long a newer change had been acknowledged when the read began, milliseconds; 0 if it shows the newest. */
export const staleness = ({ startMs, amount }: Read, changes: readonly Change[]): number => {
  const missed = changes.find((change) => change.amount > amount && change.doneMs < startMs);
  return missed === undefined ? 0 : startMs - missed.doneMs;
};

export interface StalenessWatch {
  /** @returns the greatest staleness of the reads that began within the times, milliseconds */
  greatest(fromMs: number, toMs: number): number;
  stop(): Promise<void>;
}

/** @param client whose key may change products */
export const watchStaleness = async (
  { edgeUrl }: World,
  client: Pick<Client, "key" | "address">,
): Promise<StalenessWatch> => {
  const reads: Read[] = [];
  const changes: Change[] = [];
  let isOver = false;
  const path = `/v1/products/${await addProduct(edgeUrl, client, 0)}`;
  const setPrice = (amount: number) =>
    sendAs(edgeUrl, client, path, {
      method: "PATCH",
      headers: { "if-match": "*" },
      json: { price: { amount, currency: "EUR" } },
    });

  const change = async (): Promise<void> => {
    // Each price is higher than all before, so that a read shows which changes it has seen.
    for (let amount = 2; !isOver; amount += 1) {
      const { status } = await setPrice(amount);
      if (status === 200) changes.push({ amount, doneMs: performance.now() });
      await pause(CHANGE_INTERVAL_MS);
    }
  };
  const read = async (): Promise<void> => {
    while (!isOver) {
      const startMs = performance.now();
      const { status, body } = await sendAs(edgeUrl, client, path);
      if (status === 200) reads.push({ startMs, amount: Product.parse(JSON.parse(body)).price.amount });
      await pause(READ_INTERVAL_MS);
    }
  };
  const watching = [change(), read()];
  return {
    greatest: (fromMs, toMs) =>
      reads
        .filter(({ startMs }) => startMs >= fromMs && startMs < toMs)
        .reduce((most, each) => Math.max(most, staleness(each, changes)), 0),
    stop: async () => {
      isOver = true;
      await Promise.all(watching);
    },
  };
};
