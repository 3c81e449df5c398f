/** Removes expired records, so their number is bounded by a day of requests. */
import type { Database } from "../../db/database.ts";
import type { OriginLog } from "../../log/log.ts";
import { removeExpired } from "./store.ts";

/** Records that one statement removes, so that it holds its locks only briefly. */
const BATCH = 1_000;
/** Batches of one round; the rest waits for the next. */
const MAX_BATCHES = 20;

export const cleanRecords = async (database: Database, log: OriginLog): Promise<void> => {
  try {
    let removed = 0;
    for (let batch = 0; batch < MAX_BATCHES; batch += 1) {
      const count = await removeExpired(database, BATCH);
      removed += count;
      if (count < BATCH) break;
    }
    if (removed > 0) log.debug({ removed }, "removed expired idempotency records");
  } catch (error) {
    log.debug({ err: error }, "cannot remove expired idempotency records");
  }
};
