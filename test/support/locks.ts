/** Locks that a test holds in a transaction of its own, and what waits behind them. */
import pg from "pg";
import type { SqlValue } from "../../src/origin/db/database.ts";
import type { System } from "./system.ts";

export interface Hold {
  /** Ends the transaction, and with it the locks; may be called again. */
  release(): Promise<void>;
}

/** Begins a transaction with this statement and keeps it open. */
export const hold = async (
  databaseUrl: string,
  statement: string,
  values: readonly SqlValue[] = [],
): Promise<Hold> => {
  const client = new pg.Client({ connectionString: databaseUrl, application_name: "breakwater-test" });
  await client.connect();
  await client.query("BEGIN");
  await client.query(statement, [...values]);
  let ending: Promise<void> | undefined;
  return {
    release: () => {
      ending ??= client.end();
      return ending;
    },
  };
};

/** Keeps a product from being ordered. */
export const holdProduct = (system: System, id: string): Promise<Hold> =>
  hold(system.databaseUrl, "SELECT FROM products WHERE id = $1 FOR UPDATE", [id]);

export interface RunningStatement {
  readonly pid: number;
  readonly query: string;
  readonly isWaiting: boolean;
}

/** What the origins have running at the database at this moment. */
export const runningStatements = ({ pool, databaseName }: System): Promise<RunningStatement[]> =>
  pool.query<RunningStatement>(
    `SELECT pid, query, coalesce(wait_event_type = 'Lock', false) AS "isWaiting" FROM pg_stat_activity
     WHERE datname = $1 AND application_name = 'breakwater-origin' AND state = 'active'
       AND pid <> pg_backend_pid()`,
    [databaseName],
  );

/** How many of them wait for a lock. */
export const waitingCount = async (system: System): Promise<number> =>
  (await runningStatements(system)).filter(({ isWaiting }) => isWaiting).length;
