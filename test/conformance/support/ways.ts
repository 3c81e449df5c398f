/** The ways in which a request uses the database. */
import type { Scope } from "../../../src/origin/db/database.ts";
import type { PostgresPool } from "../../../src/origin/db/postgres.ts";
import { reading, type TestScope, writing } from "./scope.ts";

export interface Way {
  readonly scope: (timeoutMs?: number) => TestScope;
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
  "a transaction's script": {
    scope: writing,
    run: (pool, scope, text) => pool.within(scope).transaction((transaction) => transaction.script(text)),
  },
};
