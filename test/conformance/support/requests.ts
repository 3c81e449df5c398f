/** Requests that end at their deadline or are ended by the test, and the ways in which one uses the database. */
import type { Scope } from "../../../src/origin/db/database.ts";
import type { PostgresPool } from "../../../src/origin/db/postgres.ts";
import { createDeadlines, Deadline } from "../../../src/origin/middleware/deadline.ts";

/** Longer than any test waits. */
const TIMEOUT_MS = 50_000;
const deadlines = createDeadlines(Date.now);

const begin = (readOnly: boolean, timeoutMs: number, name = "conformance"): Deadline => {
  const deadline = new Deadline(name, Date.now() + timeoutMs, readOnly);
  deadlines.enter(deadline);
  return deadline;
};

export const reading = (timeoutMs = TIMEOUT_MS, name?: string): Deadline => begin(true, timeoutMs, name);
export const writing = (timeoutMs = TIMEOUT_MS): Deadline => begin(false, timeoutMs);

export interface Way {
  readonly scope: (timeoutMs?: number) => Deadline;
  readonly run: (pool: PostgresPool, scope: Scope, text: string) => Promise<unknown>;
}

const query: Way["run"] = (pool, scope, text) => pool.within(scope).query(text);

/** Each settles its own permit of the circuit breaker. */
export const kinds: Readonly<Record<string, Way>> = {
  "a read": { scope: reading, run: query },
  "a write": { scope: writing, run: query },
  "a transaction": {
    scope: writing,
    run: (pool, scope, text) =>
      pool.within(scope).transaction(async (transaction) => {
        await transaction.query("SELECT 1");
        await transaction.query(text);
      }),
  },
};

export const ways: Readonly<Record<string, Way>> = {
  ...kinds,
  "a transaction's first statement": {
    scope: writing,
    run: (pool, scope, text) => pool.within(scope).transaction((transaction) => transaction.query(text)),
  },
  "a transaction of two statements": {
    scope: writing,
    run: (pool, scope, text) =>
      pool
        .within(scope)
        .transaction((transaction) =>
          transaction.queryBoth({ text, values: [] }, { text: "SELECT 1", values: [] }),
        ),
  },
  "a transaction's script": {
    scope: writing,
    run: (pool, scope, text) => pool.within(scope).transaction((transaction) => transaction.script(text)),
  },
};
