/** A database of the run's own. */
import { randomBytes } from "node:crypto";
import pg from "pg";

export interface BenchDatabase {
  readonly url: string;
  /** Such as "PostgreSQL 18.4, synchronous_commit on, fsync on". */
  readonly server: string;
  drop(): Promise<void>;
}

const TIMEOUT_MS = 30_000;

/** Runs `work` on a connection of its own; a statement may take 30 s. */
export const withClient = async <T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> => {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: TIMEOUT_MS,
    query_timeout: TIMEOUT_MS,
  });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
};

const SETTINGS = `
  SELECT format('PostgreSQL %s, synchronous_commit %s, fsync %s', current_setting('server_version'),
    current_setting('synchronous_commit'), current_setting('fsync')) AS server`;

/** @param serverUrl of a role that may create databases */
export const createDatabase = async (serverUrl: string): Promise<BenchDatabase> => {
  const name = `breakwater_bench_${randomBytes(6).toString("hex")}`;
  const server = await withClient(serverUrl, async (client) => {
    await client.query(`CREATE DATABASE ${name}`);
    return String((await client.query(SETTINGS)).rows[0]?.server);
  });
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  const drop = () => withClient(serverUrl, (client) => client.query(`DROP DATABASE ${name} WITH (FORCE)`));
  return { url: url.href, server, drop: async () => void (await drop()) };
};
