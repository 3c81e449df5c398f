/** Idempotency records in PostgreSQL: written in the transaction of the write that they stand for. */
import type { Database } from "../db/database.ts";

/** A key is remembered for so long after its first use. */
const LIFETIME = "24 hours";

export type Claim =
  /** The key is this request's own, until the transaction ends. */
  | { readonly kind: "claimed" }
  /** Another request with the key is under way. */
  | { readonly kind: "in_use" }
  | { readonly kind: "known"; readonly fingerprint: string; readonly answer: string };

interface ClaimRow {
  readonly free: boolean;
  readonly claimed: boolean;
  readonly fingerprint: string | null;
  readonly answer: string | null;
}

/**
 * Whoever holds the lock writes the record; nobody waits for it. An expired record is as good as none.
 * $1 principal, $2 key, $3 fingerprint, $4 lock.
 */
const CLAIM = `
WITH lock AS (
  SELECT pg_try_advisory_xact_lock($4::bigint) AS free
), claimed AS (
  INSERT INTO idempotency_records AS r (principal, key, fingerprint, expires_at)
  SELECT $1, $2, $3, now() + interval '${LIFETIME}' FROM lock WHERE free
  ON CONFLICT (principal, key) DO UPDATE
    SET fingerprint = excluded.fingerprint, answer = NULL, expires_at = excluded.expires_at
    WHERE r.expires_at <= now()
  RETURNING r.key
)
SELECT lock.free, EXISTS (SELECT FROM claimed) AS claimed, r.fingerprint, r.answer
FROM lock LEFT JOIN idempotency_records r ON r.principal = $1 AND r.key = $2`;

/** Until whoever holds it has ended. $1 lock. */
const WAIT = "SELECT pg_advisory_xact_lock($1::bigint)";

/** A record that was committed between the statement's snapshot and its lock is seen by the next statement. */
const MAX_LOOKS = 3;

/** @param database a transaction, whose end ends the claim */
export const claimKey = async (
  database: Database,
  {
    principal,
    key,
    fingerprint,
    lock,
  }: { principal: string; key: string; fingerprint: string; lock: string },
): Promise<Claim> => {
  for (let look = 0; look < MAX_LOOKS; look += 1) {
    const [row] = await database.query<ClaimRow>(CLAIM, [principal, key, fingerprint, lock], {
      plan: "generic",
    });
    if (row?.claimed === true) return { kind: "claimed" };
    if (row?.free !== true) return { kind: "in_use" };
    if (row.fingerprint !== null && row.answer !== null) {
      return { kind: "known", fingerprint: row.fingerprint, answer: row.answer };
    }
  }
  return { kind: "in_use" };
};

/** Waits, as long as a statement may, until no other request with the key is under way; then it is this one's. */
export const waitForKey = async (database: Database, lock: string): Promise<void> => {
  await database.query(WAIT, [lock], { plan: "generic" });
};

export const storeAnswer = async (
  database: Database,
  { principal, key }: { principal: string; key: string },
  answer: string,
): Promise<void> => {
  await database.query(
    "UPDATE idempotency_records SET answer = $3 WHERE principal = $1 AND key = $2",
    [principal, key, answer],
    { plan: "generic" },
  );
};

/** Removes some records that have expired; says how many. Those that another process removes are left to it. */
export const removeExpired = async (database: Database, most: number): Promise<number> => {
  const rows = await database.query(
    `DELETE FROM idempotency_records WHERE ctid IN (
       SELECT ctid FROM idempotency_records WHERE expires_at <= now()
       ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED
     ) RETURNING key`,
    [most],
  );
  return rows.length;
};
