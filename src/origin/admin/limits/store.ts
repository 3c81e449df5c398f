/** Overrides of rate limits for single principals, in PostgreSQL. */
import type { BucketRule } from "../../../middleware/rate-limit/token-bucket.ts";
import type { Database } from "../../db/database.ts";
import { readSnapshot, type Snapshot, withNewVersion } from "../publish.ts";

export interface PrincipalOverride extends BucketRule {
  readonly limitName: string;
  readonly principal: string;
}

const SELECT = `SELECT limit_name AS "limitName", principal, capacity, refill_per_second AS "refillPerSecond"
  FROM limit_overrides`;

const SET = `INSERT INTO limit_overrides (limit_name, principal, capacity, refill_per_second) VALUES ($1, $2, $3, $4)
  ON CONFLICT (limit_name, principal) DO UPDATE
    SET capacity = excluded.capacity, refill_per_second = excluded.refill_per_second, changed_at = now()
  RETURNING limit_name`;

/** Replaces an existing override of the same limit and principal. */
export const setOverride = async (
  database: Database,
  { limitName, principal, capacity, refillPerSecond }: PrincipalOverride,
): Promise<void> => {
  await database.query(withNewVersion("limits", SET), [limitName, principal, capacity, refillPerSecond]);
};

const CLEAR = `DELETE FROM limit_overrides WHERE principal = $1 AND ($2::text IS NULL OR limit_name = $2)
  RETURNING limit_name AS "limitName"`;

/**
 * @param limitName @default every limit of the principal
 * @returns the names of the limits whose overrides are cleared
 */
export const clearOverrides = async (
  database: Database,
  principal: string,
  limitName?: string,
): Promise<string[]> => {
  const values = [principal, limitName ?? null];
  const rows = await database.query<{ limitName: string }>(withNewVersion("limits", CLEAR), values);
  return rows.map((row) => row.limitName).sort();
};

export const listOverrides = (database: Database): Promise<PrincipalOverride[]> =>
  database.query<PrincipalOverride>(`${SELECT} ORDER BY principal, limit_name`);

export const overrideSnapshot = (database: Database): Promise<Snapshot<PrincipalOverride>> =>
  readSnapshot(database, "limits", SELECT);
