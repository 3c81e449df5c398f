/** Idempotency records in PostgreSQL, written in the transaction of their write. */

import { createHash } from "node:crypto";
import type { Database } from "../../db/database.ts";
import type { OriginLog } from "../../log/log.ts";

/** How long a key is remembered after its first use. */
const LIFETIME = "24 hours";

export type Claim =
  /** The key belongs to this request until the transaction ends. */
  | { readonly kind: "claimed" }
  /** Another request with the key is running. */
  | { readonly kind: "in_use" }
  | { readonly kind: "known"; readonly fingerprint: string; readonly answer: string };

interface ClaimRow {
  readonly free: boolean;
  readonly claimed: boolean;
  readonly fingerprint: string | null;
  readonly answer: string | null;
}

/**
 * The request that holds the lock writes the record; others do not wait. An expired record counts as none.
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

/** Waits for the lock. $1 lock. */
const WAIT = "SELECT pg_advisory_xact_lock($1::bigint)";

/** A record committed between the statement's snapshot and its lock is visible to the next statement. */
const MAX_ATTEMPTS = 3;

/** @param database a transaction; the claim ends with it */
export const claimKey = async (
  database: Database,
  {
    principal,
    key,
    fingerprint,
    lock,
  }: { principal: string; key: string; fingerprint: string; lock: string },
): Promise<Claim> => {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
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

/** Waits until no other request with the key is running, then holds its lock. */
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

/** Removes expired records that no other process is removing. @returns how many */
export const removeExpired = async (database: Database, limit: number): Promise<number> => {
  const rows = await database.query(
    `DELETE FROM idempotency_records WHERE ctid IN (
       SELECT ctid FROM idempotency_records WHERE expires_at <= now()
       ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED
     ) RETURNING key`,
    [limit],
  );
  return rows.length;
};

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

export interface FingerprintParts {
  readonly method: string;
  /** Path and query, exactly as sent. */
  readonly target: string;
  readonly body: Uint8Array;
}

/** SHA-256 over everything that the handler sees, base64. */
export const fingerprint = ({ method, target, body }: FingerprintParts): string =>
  createHash("sha256").update(`${method} ${target}\n`).update(body).digest("base64");

/** The key without the draft's quotes. */
export const keyOf = (field: string): string => (field.startsWith('"') ? field.slice(1, -1) : field);

/** The number of a key's advisory lock: 64 bits of its digest, as PostgreSQL's bigint in decimal. */
export const lockNumber = (principal: string, key: string): string =>
  createHash("sha256")
    .update(JSON.stringify([principal, key]))
    .digest()
    .readBigInt64BE()
    .toString();
