/** Finds the record of an API key, wherever it is kept. */

import type { Exchange } from "../exchange.ts";
import type { KeyRecord } from "./api-key.ts";

export type KeyFinding =
  | { readonly kind: "found"; readonly record: KeyRecord }
  | { readonly kind: "unknown" }
  /** Nobody could say. */
  | { readonly kind: "unavailable" };

export type KeyLookup = (id: string, exchange: Exchange) => Promise<KeyFinding>;
