/** Locks that a test holds in its own transaction, and the statements that wait for them. */
import pg from "pg";
import type { SqlValue } from "../../src/origin/db/database.ts";
import type { System } from "./system.ts";

export interface Hold {
  /** Rolls back, and with that releases the locks; may be called again. */
  release(): Promise<void>;
  /** Commits the statement. */
  commit(): Promise<void>;
}

/** Begins a transaction with the statement, and keeps it open. */
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
  const release = (): Promise<void> => {
    ending ??= client.end();
    return ending;
  };
  return {
    release,
    commit: async () => {
      await client.query("COMMIT");
      await release();
    },
  };
};

/** Blocks orders of a product. */
export const holdProduct = (system: System, id: string): Promise<Hold> =>
  hold(system.databaseUrl, "SELECT FROM products WHERE id = $1 FOR UPDATE", [id]);

export interface RunningStatement {
  readonly pid: number;
  readonly query: string;
  readonly isWaiting: boolean;
}

/** The origins' current statements. */
export const runningStatements = ({ pool, databaseName }: System): Promise<RunningStatement[]> =>
  pool.query<RunningStatement>(
    `SELECT pid, query, coalesce(wait_event_type = 'Lock', false) AS "isWaiting" FROM pg_stat_activity
     WHERE datname = $1 AND application_name = 'breakwater-origin' AND state = 'active'
       AND pid <> pg_backend_pid()`,
    [databaseName],
  );

/** The number of the origins' statements that wait for a lock. */
export const waitingCount = async (system: System): Promise<number> =>
  (await runningStatements(system)).filter(({ isWaiting }) => isWaiting).length;
