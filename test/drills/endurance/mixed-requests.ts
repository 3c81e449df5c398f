/** The mixed load of the open-loop runs, as prepared bytes: two thirds reads, one third writes. */
import { type RequestBatch, rawRequest, requestBatch } from "../../bench/support/request-batch.ts";
import type { Principal } from "./principals.ts";

export interface MixedLoad {
  /** The URL of the edge. */
  readonly edgeUrl: string;
  readonly principals: readonly Principal[];
  readonly productIds: readonly string[];
}

interface Draft {
  readonly method: string;
  readonly target: string;
  readonly json?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Twenty requests in turn. Each kind has its place, so that short windows have the same mix. */
const KINDS = [
  "product",
  "keyed order",
  "orders",
  "product",
  "order",
  "list",
  "product",
  "keyed order",
  "orders",
  "price",
  "product",
  "order",
  "list",
  "keyed order",
  "product",
  "orders",
  "product",
  "order",
  "list",
  "product",
] as const;

const draftOf = (kind: (typeof KINDS)[number], productId: string): Draft => {
  switch (kind) {
    case "product":
      return { method: "GET", target: `/v1/products/${productId}` };
    case "list":
      return { method: "GET", target: "/v1/products?limit=5" };
    case "orders":
      return { method: "GET", target: "/v1/orders?limit=5" };
    case "price": {
      const json = { price: { amount: 100 + Math.floor(Math.random() * 900), currency: "EUR" } };
      return { method: "PATCH", target: `/v1/products/${productId}`, json, headers: { "if-match": "*" } };
    }
    case "order":
    case "keyed order": {
      const json = { lines: [{ productId, quantity: 1 }] };
      const headers = kind === "order" ? {} : { "idempotency-key": crypto.randomUUID() };
      return { method: "POST", target: "/v1/orders", json, headers };
    }
  }
};

/** Turns of principals and products of different lengths combine them in every way. */
const itemOf = <T>(items: readonly T[], turn: number): T => {
  const item = items[turn % items.length];
  if (item === undefined) throw new Error("a load needs principals and products");
  return item;
};

/** @param count of the requests, each of which is sent once */
export const mixedRequests = (
  { edgeUrl, principals, productIds }: MixedLoad,
  count: number,
): RequestBatch => {
  const { host } = new URL(edgeUrl);
  const requests = Array.from({ length: count }, (_, turn) => {
    const { key, address } = itemOf(principals, turn);
    const productId = itemOf(productIds, Math.floor(turn / 3));
    const { json, headers, ...draft } = draftOf(itemOf(KINDS, turn), productId);
    return rawRequest({
      ...draft,
      headers: {
        host,
        authorization: `Bearer ${key}`,
        "x-local-client": address,
        ...(json === undefined ? {} : { "content-type": "application/json" }),
        ...headers,
      },
      body: json === undefined ? undefined : JSON.stringify(json),
    });
  });
  return requestBatch(requests, false);
};
