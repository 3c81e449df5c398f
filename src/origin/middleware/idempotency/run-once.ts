/**
 * Idempotency-Key (draft-ietf-httpapi-idempotency-key-header-07): key, fingerprint and response are written in the
 * transaction of the write itself, so a crash at any moment leaves all of it or nothing. A problem that the handler returns is
 * stored as a response too; what the handler wrote before it is rolled back.
 */
import { isProblem, type Problem, problem } from "../../../contract/problem.ts";
import type { Database } from "../../db/database.ts";
import type { Answer } from "../../handler.ts";
import { ProblemError } from "../error-handler.ts";
import { claimKey, lockNumber, storeAnswer, waitForKey } from "./store.ts";

export interface KeyedRequest {
  /** The key's owner: another principal's equal key is a different key. */
  readonly principal: string;
  readonly key: string;
  readonly fingerprint: string;
  /** Whether the edge has given up an earlier attempt: that one may still run, and this one waits for its result. */
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

type Work = (transaction: Database) => Promise<Answer | Problem>;

/** Does the work in a savepoint, which a problem rolls back. */
const inSavepoint = async (transaction: Database, work: Work): Promise<Answer | Problem> => {
  try {
    return await transaction.transaction(async (savepoint) => {
      const answer = await work(savepoint);
      if (isProblem(answer)) throw new ProblemError(answer);
      return answer;
    });
  } catch (error) {
    if (error instanceof ProblemError) return error.problem;
    throw error;
  }
};

/** @param work is called with its transaction, again each time that the transaction has to be run again */
export const runOnce = (
  database: Database,
  { principal, key, fingerprint, isRetry, invalidated }: KeyedRequest,
  work: Work,
): Promise<Answer | Problem> =>
  database.transaction(async (transaction) => {
    const lock = lockNumber(principal, key);
    if (isRetry) await waitForKey(transaction, lock);
    const claim = await claimKey(transaction, { principal, key, fingerprint, lock });
    switch (claim.kind) {
      case "in_use":
        return inUse;
      case "known":
        return claim.fingerprint === fingerprint ? decode(claim.answer, invalidated) : reused;
      case "claimed": {
        const answer = await inSavepoint(transaction, work);
        // Not awaited: it goes out with COMMIT, which fails if it fails.
        storeAnswer(transaction, { principal, key }, encode(answer, invalidated)).catch(() => undefined);
        return answer;
      }
    }
  });
