/**
 * Serves a request with an Idempotency-Key once (draft-ietf-httpapi-idempotency-key-header-07): key, fingerprint
 * and answer are written in the transaction of the write itself, so that a crash at any moment leaves all of it
 * or nothing. A problem that the handler answers with is an answer too; what the handler had written before it
 * is undone.
 */
import { isProblem, type Problem, problem } from "../../contract/problem.ts";
import type { Answer } from "../answer.ts";
import type { Database } from "../db/database.ts";
import { Refusal } from "../refusal.ts";
import { lockNumber } from "./fingerprint.ts";
import { claimKey, storeAnswer, waitForKey } from "./records.ts";

export interface KeyedRequest {
  /** Whose key it is: another principal's equal key is another one. */
  readonly principal: string;
  readonly key: string;
  readonly fingerprint: string;
  /**
   * Whether the edge itself sends it again, and has given up the attempt before: that one may not have ended yet, and
   * its answer, or its place, is what is waited for.
   */
  readonly isSentAgain: boolean;
  /** Takes the tags that the write makes old, also those of a write that an earlier request has done. */
  readonly written: Set<string>;
}

/** Tells a client, and its operator, that the write was done by an earlier request. */
const REPLAYED = { "idempotency-replayed": "true" } as const;

/** Whether the write was done by an earlier request. */
export const isReplayed = ({ headers }: Answer): boolean => headers?.["idempotency-replayed"] !== undefined;

const inUse = problem("idempotency_key_in_use", { headers: { "retry-after": "1" } });
const reused = problem("idempotency_key_reused", {
  detail: "Use a new key for another request; send the same request for the same key.",
});

/** An answer as it is kept, with the tags that its write has made old. */
type Stored = (Answer | Problem) & { readonly written?: readonly string[] };

const replay = (text: string, written: Set<string>): Answer | Problem => {
  // It was written by `write` below.
  const { written: tags = [], ...answer }: Stored = JSON.parse(text);
  // Whoever did the write may have died before it could tell anybody.
  for (const tag of tags) written.add(tag);
  return { ...answer, headers: { ...answer.headers, ...REPLAYED } };
};

/** The body is kept as the text that was sent, so that a replay is the same to the byte. */
const write = (answer: Answer | Problem, written: Set<string>): string => {
  const tags = written.size === 0 ? {} : { written: [...written] };
  if (isProblem(answer) || answer.body === undefined) return JSON.stringify({ ...answer, ...tags });
  const { body, ...rest } = answer;
  return JSON.stringify({ ...rest, ...tags, json: JSON.stringify(body) });
};

/** What the handler answers, and whether what it wrote counts. */
const handled = async (
  transaction: Database,
  handle: (database: Database) => Promise<Answer | Problem>,
): Promise<Answer | Problem> => {
  try {
    return await transaction.transaction(async (inner) => {
      const answer = await handle(inner);
      if (isProblem(answer)) throw new Refusal(answer);
      return answer;
    });
  } catch (error) {
    if (error instanceof Refusal) return error.problem;
    throw error;
  }
};

/** @param handle is called with the transaction to work in, anew each time that it has to be run again */
export const serveOnce = (
  database: Database,
  { principal, key, fingerprint, isSentAgain, written }: KeyedRequest,
  handle: (database: Database) => Promise<Answer | Problem>,
): Promise<Answer | Problem> =>
  database.transaction(async (transaction) => {
    const lock = lockNumber(principal, key);
    if (isSentAgain) await waitForKey(transaction, lock);
    const claim = await claimKey(transaction, { principal, key, fingerprint, lock });
    switch (claim.kind) {
      case "in_use":
        return inUse;
      case "known":
        return claim.fingerprint === fingerprint ? replay(claim.answer, written) : reused;
      case "claimed": {
        const answer = await handled(transaction, handle);
        // Not awaited: it goes out with COMMIT, which fails where it fails.
        storeAnswer(transaction, { principal, key }, write(answer, written)).catch(() => undefined);
        return answer;
      }
    }
  });
