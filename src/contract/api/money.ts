import * as z from "zod/mini";
import { integer, named } from "../schemas.ts";

/** The shop's currency (ISO 4217). */
export const CURRENCY = "EUR";

/** In minor units, never a float: 1999 is 19.99 EUR. */
export const Money = named(
  "Money",
  z.strictObject({ amount: integer(0, 10_000_000), currency: z.literal(CURRENCY) }),
  { description: "An amount in minor units (cents)" },
);

/** A sum of amounts. */
export const Total = named(
  "Total",
  z.strictObject({ amount: integer(0, Number.MAX_SAFE_INTEGER), currency: z.literal(CURRENCY) }),
  { description: "A sum in minor units (cents)" },
);
