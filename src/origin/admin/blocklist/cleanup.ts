/** Removes expired blocks, and offenders with neither a score nor a recent block. */
import { MEMORY_MS } from "../../../security-events/abuse-score.ts";
import type { Database } from "../../db/database.ts";
import type { OriginLog } from "../../log/log.ts";

/** Raises no version: expired blocks may stay in the published list without effect. */
const REMOVE_BLOCKS =
  "DELETE FROM blocklist WHERE id IN (SELECT id FROM blocklist WHERE expires_at <= now() LIMIT 5000)";

/** Longer than any score lasts without a further offense. */
const SCORE_LIFETIME = "10 minutes";

const REMOVE_OFFENDERS = `DELETE FROM offenders WHERE network IN (
  SELECT network FROM offenders WHERE scored_at < now() - interval '${SCORE_LIFETIME}'
    AND (last_blocked_at IS NULL OR last_blocked_at < now() - 2 * $1::float8 * interval '1 millisecond')
  ORDER BY scored_at LIMIT 20000)`;

/** A job for `repeat`: a failure is logged, and the next run catches up. */
export const cleanBlocklist = async (database: Database, log: OriginLog): Promise<void> => {
  try {
    await database.query(REMOVE_BLOCKS);
    await database.query(REMOVE_OFFENDERS, [MEMORY_MS]);
  } catch (error) {
    log.warn({ err: error }, "blocklist cleanup failed");
  }
};
