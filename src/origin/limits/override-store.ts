/** Overrides of limits in PostgreSQL. Every change raises the snapshot's version in the same statement. */
import type { BucketRule } from "../../middleware/rate-limit/token-bucket.ts";
import type { Database } from "../data/database.ts";
import { raiseVersion, VERSION } from "../snapshots/version.ts";

export interface PrincipalOverride extends BucketRule {
  readonly limitName: string;
  readonly principal: string;
}

export interface OverrideListing extends PrincipalOverride {
  readonly changedAt: Date;
}

const COLUMNS = `limit_name AS "limitName", principal, capacity, refill_per_second AS "refillPerSecond"`;

/** Takes the place of an earlier one. */
export const setOverride = async (
  database: Database,
  { limitName, principal, capacity, refillPerSecond }: PrincipalOverride,
): Promise<void> => {
  await database.query(
    `WITH changed AS (
       INSERT INTO limit_overrides (limit_name, principal, capacity, refill_per_second) VALUES ($1, $2, $3, $4)
       ON CONFLICT (limit_name, principal) DO UPDATE
         SET capacity = excluded.capacity, refill_per_second = excluded.refill_per_second, changed_at = now()
       RETURNING limit_name
     ) ${raiseVersion("limits")}`,
    [limitName, principal, capacity, refillPerSecond],
  );
};

/**
 * @param limitName @default all of the principal's
 * @returns the names of the limits that were overridden until now
 */
export const clearOverrides = async (
  database: Database,
  principal: string,
  limitName?: string,
): Promise<string[]> => {
  const rows = await database.query<{ limitName: string }>(
    `WITH changed AS (
       DELETE FROM limit_overrides WHERE principal = $1 AND ($2::text IS NULL OR limit_name = $2)
       RETURNING limit_name
     ), raised AS (${raiseVersion("limits")})
     SELECT limit_name AS "limitName" FROM changed ORDER BY limit_name`,
    [principal, limitName ?? null],
  );
  return rows.map((row) => row.limitName);
};

export const listOverrides = (database: Database): Promise<OverrideListing[]> =>
  database.query<OverrideListing>(
    `SELECT ${COLUMNS}, changed_at AS "changedAt" FROM limit_overrides ORDER BY principal, limit_name`,
  );

type SnapshotRow = { readonly version: string } & {
  readonly [K in keyof PrincipalOverride]: PrincipalOverride[K] | null;
};

/** Every override, and the version of that set: one statement, so that they belong together. */
export const overrideSnapshot = async (
  database: Database,
): Promise<{ version: string; overrides: PrincipalOverride[] }> => {
  const rows = await database.query<SnapshotRow>(
    `SELECT ${VERSION} AS version, ${COLUMNS} FROM published_snapshots s LEFT JOIN limit_overrides ON true
     WHERE s.name = 'limits'`,
  );
  const overrides = rows.flatMap(({ limitName, principal, capacity, refillPerSecond }) =>
    limitName === null || principal === null || capacity === null || refillPerSecond === null
      ? []
      : [{ limitName, principal, capacity, refillPerSecond }],
  );
  return { version: rows[0]?.version ?? "", overrides };
};
