/** PostgreSQL over TCP: a pool that survives the loss of any of its connections. */
import pg from "pg";
import type { OriginLog } from "../log.ts";
import type { Database } from "./database.ts";

export interface PostgresPool extends Database {
  /** A connection of one's own for several statements, given back afterwards; dropped if the work failed. */
  withConnection<T>(work: (connection: Database) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

export interface PostgresOptions {
  readonly maxConnections: number;
  readonly log: OriginLog;
  /** How long an answer is waited for, milliseconds; 0 is without end. @default 15,000 */
  readonly queryTimeoutMs?: number;
}

const INT8_OID = 20;
/** Waiting for a connection, and for one to be made. */
const CONNECT_TIMEOUT_MS = 5_000;
/** Waiting for a statement's answer. What PostgreSQL does with the statement meanwhile is its own. */
const QUERY_TIMEOUT_MS = 15_000;
const IDLE_TIMEOUT_MS = 60_000;

const types = {
  getTypeParser: (oid: number, format?: "text" | "binary") =>
    oid === INT8_OID && format !== "binary" ? Number : pg.types.getTypeParser(oid, format),
};

const overClient = (client: { query: pg.ClientBase["query"] }): Database => ({
  query: async <Row extends object>(text: string, values: readonly unknown[] = []): Promise<Row[]> =>
    (await client.query<Row>(text, [...values])).rows,
});

export const connectPostgres = (
  url: string,
  { maxConnections, log, queryTimeoutMs = QUERY_TIMEOUT_MS }: PostgresOptions,
): PostgresPool => {
  const pool = new pg.Pool({
    connectionString: url,
    max: maxConnections,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    idleTimeoutMillis: IDLE_TIMEOUT_MS,
    query_timeout: queryTimeoutMs,
    keepAlive: true,
    types,
    application_name: "breakwater-origin",
  });
  // A connection may be lost at any time, idle or lent out; without a listener that would end the process.
  const onLoss = (error: Error): void => log.warn({ err: error }, "lost a connection to PostgreSQL");
  pool.on("error", onLoss);
  pool.on("connect", (client) => client.on("error", onLoss));

  return {
    ...overClient(pool),
    withConnection: async (work) => {
      const client = await pool.connect();
      try {
        const result = await work(overClient(client));
        client.release();
        return result;
      } catch (error) {
        client.release(true);
        throw error;
      }
    },
    close: () => pool.end(),
  };
};
