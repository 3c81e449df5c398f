/** The shop with routes that pages of one site may call, and the ways in which the guards of both tiers answer. */

import { sampleProductId } from "#api/origin/sample-data.ts";
import { contract } from "../../src/contract/contract.ts";
import type { Limit } from "../../src/contract/policy.ts";
import { createKey, type KeyRecord } from "../../src/middleware/auth/api-keys.ts";
import { compileBlocklist } from "../../src/middleware/blocklist/blocklist.ts";
import { automatic, entry } from "../middleware/blocklist/support.ts";

export const SITE = "https://shop.example";
const cors = { origins: [SITE] } as const;

const limitOf = (name: string, capacity: number, onStoreFailure: Limit["onStoreFailure"]): Limit => ({
  name,
  capacity,
  refillPerSecond: 0.001,
  per: "client",
  onStoreFailure,
});
const roomy = limitOf("roomy", 1_000, "local");
const tight = { ...limitOf("tight", 2, "local"), cost: 2 } as const;
const exact = limitOf("exact", 2, "closed");

const { listProducts, getProduct, createProduct, placeOrder, updateProduct } = contract;
const changed = {
  listProducts: { ...listProducts, policy: { ...listProducts.policy, limit: [tight] } },
  getProduct: { ...getProduct, policy: { ...getProduct.policy, limit: [roomy], timeout: "30s" } },
  createProduct: { ...createProduct, policy: { ...createProduct.policy, cors, limit: [roomy] } },
  placeOrder: { ...placeOrder, policy: { ...placeOrder.policy, cors, limit: [roomy, roomy] } },
  updateProduct: { ...updateProduct, policy: { ...updateProduct.policy, cors, limit: [exact] } },
} as const;
export const crossOriginContract = { ...contract, ...changed };

const random = (bytes: Uint8Array<ArrayBuffer>) => crypto.getRandomValues(bytes);
const alice = createKey(random);
/** With another scope. */
const bob = createKey(random);
/** Its record cannot be looked up. */
const lost = createKey(random);

export const BLOCKED = "192.0.2.10";
export const AUTO_BLOCKED = "192.0.2.11";
export const blocklistBytes = compileBlocklist([entry(BLOCKED), automatic(AUTO_BLOCKED)]);

/** @throws for one id, whose record cannot be looked up */
export const recordOf = (id: string): KeyRecord | undefined => {
  if (id === lost.id) throw new Error("no connection");
  const about = { id, principal: "test", expiresAtMs: null };
  if (id === alice.id) return { ...about, hash: alice.hash, scopes: ["products:write"] };
  return id === bob.id ? { ...about, hash: bob.hash, scopes: ["orders:write"] } : undefined;
};

export interface CorsCase {
  readonly what: string;
  readonly status: number;
  readonly path: string;
  readonly method?: string;
  readonly client?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** A body that never ends hangs. */
  readonly body?: string | "hangs";
  /** Sent as often before. */
  readonly before?: number;
}

export const PRODUCT = `/v1/products/${sampleProductId(1)}`;
export const PRODUCTS = "/v1/products";
const bearer = (key: string) => ({ authorization: `Bearer ${key}`, "content-type": "application/json" });
const authorized = bearer(alice.key);
const product = { name: "Lamp", price: { amount: 1, currency: "EUR" }, stock: 1 };
/** A request that is in order. */
export const post = {
  path: PRODUCTS,
  method: "POST",
  headers: authorized,
  body: JSON.stringify(product),
} as const;
export const order = { ...post, path: "/v1/orders", headers: bearer(bob.key) } as const;

export const guardCases: readonly CorsCase[] = [
  { what: "a block", status: 403, path: PRODUCT, client: BLOCKED },
  { what: "a block of a path without a route", status: 403, path: "/nowhere", client: BLOCKED },
  { what: "a block of a site's route", status: 403, ...post, client: BLOCKED },
  { what: "an automatic block", status: 403, path: PRODUCT, client: AUTO_BLOCKED },
  { what: "a malformed path", status: 400, path: "/v1/products/%zz" },
  { what: "a path that scanners try", status: 404, path: "/.env" },
  { what: "a method of other protocols", status: 405, path: PRODUCT, method: "PROPFIND" },
  { what: "a long URL", status: 414, path: `${PRODUCTS}?q=${"a".repeat(9_000)}` },
  { what: "an unknown path", status: 404, path: "/v1/nope" },
  { what: "a method that the path does not have", status: 405, path: PRODUCTS, method: "DELETE" },
  { what: "an unknown query parameter", status: 400, path: `${PRODUCTS}?x=1` },
  { what: "missing credentials", status: 401, ...post, headers: {} },
  { what: "an unknown key", status: 401, ...post, headers: bearer(createKey(random).key) },
  { what: "missing scopes", status: 403, ...order, headers: authorized },
  { what: "a key that cannot be looked up", status: 503, ...post, headers: bearer(lost.key) },
  { what: "a used up limit", status: 429, path: PRODUCTS, before: 1 },
  { what: "a limit that cannot be checked", status: 503, ...post, path: PRODUCT, method: "PATCH" },
  {
    what: "a body of another type",
    status: 415,
    ...post,
    headers: { ...authorized, "content-type": "text/csv" },
  },
  { what: "an encoded body", status: 415, ...post, headers: { ...authorized, "content-encoding": "br" } },
  { what: "a large body", status: 413, ...post, body: "x".repeat(70_000) },
  { what: "a body that does not arrive", status: 408, ...post, body: "hangs" },
];

export const requestOf = (
  { path, method = "GET", headers, body }: CorsCase,
  origin: string | undefined,
  own: Readonly<Record<string, string>>,
): Request =>
  new Request(`http://localhost${path}`, {
    method,
    headers: { ...own, ...headers, ...(origin !== undefined && { origin }) },
    ...(body !== undefined && { body: body === "hangs" ? new ReadableStream({}) : body, duplex: "half" }),
  });

/** The site that a response allows, with `*` for any; null if pages cannot read it. */
export const readableBy = ({ headers }: Response): string | null =>
  headers.get("access-control-expose-headers")?.includes("x-request-id") === true
    ? headers.get("access-control-allow-origin")
    : null;

/** By the policy of the case's route; the fields of any route for a path without one. */
export const allowedSite = ({ method }: CorsCase): string =>
  method === "POST" || method === "PATCH" ? SITE : "*";
