/** Keeps the records' number bounded by what a day's requests leave. */
import type { Database } from "../db/database.ts";
import type { OriginLog } from "../log.ts";
import { removeExpired } from "./records.ts";

/** Records that one statement removes: it holds its locks for a moment only. */
const BATCH = 1_000;
/** Batches of one round: what is left over waits for the next. */
const MAX_BATCHES = 20;

export const cleanRecords = async (database: Database, log: OriginLog): Promise<void> => {
  try {
    let removed = 0;
    for (let batch = 0; batch < MAX_BATCHES; batch += 1) {
      const count = await removeExpired(database, BATCH);
      removed += count;
      if (count < BATCH) break;
    }
    if (removed > 0) log.debug({ removed }, "expired idempotency records are removed");
  } catch (error) {
    log.debug({ err: error }, "expired idempotency records could not be removed");
  }
};
