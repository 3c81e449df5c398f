/** Whether a PostgreSQL server answers yet. */
import pg from "pg";
import { databaseName } from "./postgres-cluster.ts";

const connectMs = 2_000;

export type PostgresAnswer =
  | { readonly kind: "ready"; readonly version: string }
  | { readonly kind: "refused"; readonly reason: string }
  | { readonly kind: "not yet" };

/** Connects, asks the version (such as "18.4") and makes the database when it is missing. */
export async function probePostgres(connection: pg.ClientConfig): Promise<PostgresAnswer> {
  const client = new pg.Client({
    ...connection,
    database: "postgres",
    connectionTimeoutMillis: connectMs,
  });
  client.on("error", () => {});
  try {
    await client.connect();
    const { rows } = await client.query<{ version: string; present: boolean }>(
      `SELECT current_setting('server_version') AS version,
              EXISTS (SELECT FROM pg_database WHERE datname = $1) AS present`,
      [databaseName],
    );
    if (rows[0]?.present === false) await client.query(`CREATE DATABASE ${databaseName}`);
    return { kind: "ready", version: rows[0]?.version ?? "unknown" };
  } catch (error) {
    return isRefusal(error) ? { kind: "refused", reason: error.message } : { kind: "not yet" };
  } finally {
    await client.end().catch(() => {});
  }
}

/** SQLSTATE class 28: invalid authorization. */
const isRefusal = (error: unknown): error is Error =>
  error instanceof Error && "code" in error && String(error.code).startsWith("28");
