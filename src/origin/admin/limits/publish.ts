/** Publishes the limit overrides. The limiter's script reads them with every call. */
import {
  overrideField,
  publishedOverridesName,
  writeOverride,
} from "../../../middleware/rate-limit/limit-store.ts";
import type { Publication } from "../publish.ts";
import { overrideSnapshot } from "./store.ts";

export const limitsPublication: Publication = {
  name: "limits",
  title: "limit overrides",
  hashName: publishedOverridesName,
  lockKey: 7_203_420,
  read: async (database) => {
    const { version, rows } = await overrideSnapshot(database);
    const fields = rows.map((row) => [overrideField(row.limitName, row.principal), writeOverride(row)]);
    return { version, fields: Object.fromEntries(fields) };
  },
};
