/**
 * Idempotency-Key (draft-ietf-httpapi-idempotency-key-header-07): key, fingerprint and response are written
 * to PostgreSQL in the transaction of the write itself, so a crash at any moment leaves all of them or none.
 * A problem that the handler returns rolls back its writes, and is stored as a response in a transaction of its own.
 */
import { createHash } from "node:crypto";
import { isProblem, type Problem, problem } from "../../contract/problem.ts";
import { type Database, runInBatches, type Transaction } from "../db/database.ts";
import type { Answer } from "../handler.ts";
import type { OriginLog } from "../log/log.ts";
import { ProblemError } from "./error-handler.ts";

/** The lifetime of a key after its first use. */
export const LIFETIME = "24 hours";

interface ClaimRow {
  /** Whether no other request with the key is running. */
  readonly free: boolean;
  /** Whether the key belongs to this request, until its transaction ends. */
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

const WAIT_FOR_LOCK = "SELECT pg_advisory_xact_lock($1::bigint)";

const STORE_ANSWER = "UPDATE idempotency_records SET answer = $3 WHERE principal = $1 AND key = $2";

const GENERIC = { plan: "generic" } as const;

/** A record committed between the statement's snapshot and its lock is visible to the next statement. */
const MAX_ATTEMPTS = 3;

/**
 * SHA-256 over everything that the handler sees, base64.
 *
 * @param target path and query, exactly as sent
 */
export const fingerprint = (method: string, target: string, body: Uint8Array): string =>
  createHash("sha256").update(`${method} ${target}\n`).update(body).digest("base64");

/** The key without the draft's quotes. */
export const keyOf = (field: string): string => (field.startsWith('"') ? field.slice(1, -1) : field);

/** The number of a key's advisory lock: 64 bits of its digest, as PostgreSQL's bigint in decimal. */
const lockNumber = (principal: string, key: string): string =>
  createHash("sha256")
    .update(JSON.stringify([principal, key]))
    .digest()
    .readBigInt64BE()
    .toString();

interface KeyedRequest {
  /** The key's owner: another principal's equal key is a different key. */
  readonly principal: string;
  readonly key: string;
  readonly fingerprint: string;
  /** Whether the edge has given up an earlier attempt, which may still run: this one waits for its result. */
  readonly isRetry: boolean;
  /** Collects the tags that the write invalidates, also if an earlier request did the write. */
  readonly invalidated: Set<string>;
}

/** Marks the response of a write that an earlier request did. */
const REPLAYED = { "idempotency-replayed": "true" } as const;

export const isReplayed = ({ headers }: Answer): boolean => headers?.["idempotency-replayed"] !== undefined;

const inUse = problem("idempotency_key_in_use", { headers: { "retry-after": "1" } });
const reused = problem("idempotency_key_reused", {
  detail: "Use a new key for another request; send the same request for the same key.",
});

/** The member `written` holds the tags that the write invalidated. */
type StoredAnswer = (Answer | Problem) & { readonly written?: readonly string[] };

const decode = (text: string, invalidated: Set<string>): Answer | Problem => {
  // Written by `encode` below.
  const { written: tags = [], ...answer }: StoredAnswer = JSON.parse(text);
  // The process that did the write may have died before it could invalidate anything.
  for (const tag of tags) invalidated.add(tag);
  return { ...answer, headers: { ...answer.headers, ...REPLAYED } };
};

/** Stores the body as the text that is sent, so a replay is identical to the byte. */
const encode = (answer: Answer | Problem, invalidated: Set<string>): string => {
  const tags = invalidated.size === 0 ? {} : { written: [...invalidated] };
  if (isProblem(answer) || answer.body === undefined) return JSON.stringify({ ...answer, ...tags });
  const { body, ...rest } = answer;
  return JSON.stringify({ ...rest, ...tags, json: JSON.stringify(body) });
};

type Work = (transaction: Transaction) => Promise<Answer | Problem>;

/** In one transaction: claims the key, does the work and stores its answer, or finds the answer of an earlier request. */
const claimAndRun = (
  database: Database,
  { principal, key, fingerprint, isRetry, invalidated }: KeyedRequest,
  work: Work,
): Promise<Answer | Problem> =>
  database.transaction(async (transaction) => {
    const lock = lockNumber(principal, key);
    if (isRetry) await transaction.query(WAIT_FOR_LOCK, [lock], GENERIC);
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
      const claim = [principal, key, fingerprint, lock];
      const [row] = await transaction.query<ClaimRow>(CLAIM, claim, GENERIC);
      if (row?.claimed === true) {
        const answer = await work(transaction);
        const record = [principal, key, encode(answer, invalidated)];
        // Not awaited: it is sent with COMMIT, which fails if it fails.
        transaction.query(STORE_ANSWER, record, GENERIC).catch(() => undefined);
        return answer;
      }
      if (row?.free !== true) return inUse;
      if (row.fingerprint !== null && row.answer !== null)
        return row.fingerprint === fingerprint ? decode(row.answer, invalidated) : reused;
    }
    return inUse;
  });

/** @param work is called with its transaction, again each time that the transaction has to run again */
export const runOnce = async (
  database: Database,
  request: KeyedRequest,
  work: Work,
): Promise<Answer | Problem> => {
  try {
    return await claimAndRun(database, request, async (transaction) => {
      const answer = await work(transaction);
      if (isProblem(answer)) throw new ProblemError(answer);
      return answer;
    });
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    // All has been rolled back, the claim too. If another request has used the key since, its answer counts.
    return await claimAndRun(database, request, async () => error.problem);
  }
};

/** Records that another process is removing stay. */
const REMOVE_EXPIRED = `
DELETE FROM idempotency_records WHERE ctid IN (
  SELECT ctid FROM idempotency_records WHERE expires_at <= now()
  ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED
) RETURNING key`;

/** A job for `startJob`: a failure is logged, and the next run catches up. */
export const cleanRecords = async (database: Database, log: OriginLog): Promise<void> => {
  try {
    const { length } = await runInBatches(database, REMOVE_EXPIRED);
    if (length > 0) log.debug({ removed: length }, "removed expired idempotency records");
  } catch (error) {
    log.debug({ err: error }, "cannot remove expired idempotency records");
  }
};
