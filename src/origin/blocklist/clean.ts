/** Removes blocks that have expired, and offenders of whom nothing would be known any more. */
import type { Database } from "../db/database.ts";
import type { OriginLog } from "../log.ts";
import { removeExpiredBlocks } from "./block-store.ts";
import { removeForgottenOffenders } from "./offender-store.ts";

/** As background work: a failure is logged, and the next time makes up for it. */
export const cleanBlocklist = async (database: Database, log: OriginLog): Promise<void> => {
  try {
    await removeExpiredBlocks(database);
    await removeForgottenOffenders(database);
  } catch (error) {
    log.warn({ err: error }, "the blocklist could not be cleaned");
  }
};
