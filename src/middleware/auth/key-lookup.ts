/** Finds the record of an API key, wherever it is kept. */

import type { KeyRecord } from "./api-key.ts";
import type { AuthContext } from "./result.ts";

export type KeyFinding =
  | { readonly kind: "found"; readonly record: KeyRecord }
  | { readonly kind: "unknown" }
  /** Nobody could say. */
  | { readonly kind: "unavailable" };

export type KeyLookup = (id: string, c: AuthContext) => Promise<KeyFinding>;
