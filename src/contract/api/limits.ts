/** The shop's limits, shared by its routes. */
import type { Limit } from "../policy.ts";

/** What one address may read of the catalogue. */
export const perClient: Limit = {
  name: "catalogue",
  capacity: 200,
  refillPerSecond: 50,
  per: "client",
  onStoreFailure: "local",
};

/** What one principal may do in all. */
export const perPrincipal: Limit = {
  name: "account",
  capacity: 500,
  refillPerSecond: 50,
  per: "principal",
  onStoreFailure: "local",
};

/** Orders are dear: few at once, and never more than said. Without Redis the shop goes on selling. */
export const orders: Limit = {
  name: "orders",
  capacity: 300,
  refillPerSecond: 10,
  per: "principal",
  strict: true,
  onStoreFailure: "local",
};
