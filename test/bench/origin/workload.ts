/** The servers' requests, in the same order for each of them. */
import { sampleProductId } from "#api/origin/sample-data.ts";
import { seededRandom } from "../../resilience/concurrency-limit/support/random.ts";
import type { RequestBatch } from "../support/request-batch.ts";
import type { ServerProcess } from "../support/server-process.ts";

/** `order_with_key`: an order whose Idempotency-Key no request had before. */
export const KINDS = ["select", "cached", "order", "order_with_key"] as const;
export type Kind = (typeof KINDS)[number];

/** Connections of each server to the database. */
export const DATABASE_CONNECTIONS = 10;

/** A server under test. */
export interface Contestant {
  readonly id: string;
  readonly title: string;
  readonly process: ServerProcess;
  /** The kinds of requests that it serves. */
  readonly kinds: readonly Kind[];
  /** Requests, ready to be sent. @param count the minimum, for requests that cannot be repeated */
  requests(kind: Kind, count: number): Promise<RequestBatch>;
}

/** The sample products, and those that the benchmark adds. */
export const PRODUCT_COUNT = 1_006;
const DISTINCT_ORDERS = 1_000;
const LINES_PER_ORDER = 2;
const MAX_QUANTITY = 3;
/** Every nth request has a sampled trace. */
const SAMPLED_IN = 10;

const random = seededRandom(1);
const upTo = (limit: number): number => Math.floor(random() * limit);
const anyProductId = (): string => sampleProductId(1 + upTo(PRODUCT_COUNT));

const anyOrder = () => {
  const ids = new Set<string>();
  while (ids.size < LINES_PER_ORDER) ids.add(anyProductId());
  return { lines: [...ids].map((productId) => ({ productId, quantity: 1 + upTo(MAX_QUANTITY) })) };
};

const productIds = Array.from({ length: PRODUCT_COUNT }, anyProductId);
const orders = Array.from({ length: DISTINCT_ORDERS }, anyOrder);

/** The product that the nth request reads, counted from 0. */
export const productIdOf = (n: number): string => productIds[n % productIds.length] ?? "";

/** Few enough that a turn measures hits, not the filling of a cache. */
const HOT_PRODUCTS = 16;

/** The product that the nth request for a cached one reads, counted from 0. */
export const hotProductIdOf = (n: number): string => productIds[n % HOT_PRODUCTS] ?? "";

/** The content of the nth order, counted from 0. */
export const orderOf = (n: number): unknown => orders[n % orders.length];

const hex = (length: number): string => Array.from({ length }, () => upTo(16).toString(16)).join("");
const trace = hex(24);
const parent = hex(16);

/** W3C Trace Context of the nth request: a trace of its own, one in ten of which is sampled. */
export const traceparentOf = (n: number): string =>
  `00-${trace}${(n % 2 ** 32).toString(16).padStart(8, "0")}-${parent}-0${n % SAMPLED_IN === 0 ? 1 : 0}`;
