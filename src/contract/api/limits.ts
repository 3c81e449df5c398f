/** The shop's limits, shared by its routes. */
import type { Limit } from "../policy.ts";

/** Reads of the catalog by one client. */
export const perClient: Limit = {
  name: "catalogue",
  capacity: 200,
  refillPerSecond: 50,
  per: "client",
  onStoreFailure: "local",
};

/** All requests of one principal. */
export const perPrincipal: Limit = {
  name: "account",
  capacity: 500,
  refillPerSecond: 50,
  per: "principal",
  onStoreFailure: "local",
};

/** Strict, because orders are expensive; while Redis is down each isolate limits on its own. */
export const orders: Limit = {
  name: "orders",
  capacity: 300,
  refillPerSecond: 10,
  per: "principal",
  strict: true,
  onStoreFailure: "local",
};
