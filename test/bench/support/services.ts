/** A run's own PostgreSQL and Redis, and a collector, shared by the servers under test. */
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { isOnPath, startServer } from "../../../src/local/child-process.ts";
import { freePort } from "../../../src/local/free-port.ts";
import { LocalError } from "../../../src/local/local-error.ts";
import { erasePostgres, startPostgres } from "../../../src/local/postgres.ts";
import { connectRedis } from "../../../src/local/redis.ts";
import { createDatabase } from "../../support/database.ts";
import { type BenchOptions, createFolder, type Run } from "./bench.ts";
import { type Collector, startCollector } from "./collector.ts";

export interface Services {
  /** A database of the run's own. */
  readonly databaseUrl: string;
  readonly redisUrl: string;
  readonly collector: Collector;
  /** Servers, versions and durability, for the report. */
  readonly description: string;
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

/** Durable. @returns its URL */
const startEmbedded = async ({ signal, stops, onProgress }: BenchOptions): Promise<string> => {
  const folder = join(await createFolder({ signal, stops }), "postgres");
  stops.add(() => erasePostgres(folder));
  const postgres = await startPostgres({ folder, signal, onNotice: onProgress });
  stops.add(() => postgres.stop());
  return postgres.url;
};

const SETTINGS = `
  SELECT format('PostgreSQL %s, synchronous_commit %s, fsync %s', current_setting('server_version'),
    current_setting('synchronous_commit'), current_setting('fsync')) AS server`;

/** @returns its URL */
const startRedis = async ({ signal, stops }: Run): Promise<string> => {
  if (!isOnPath("redis-server"))
    throw new LocalError("no Redis: this benchmark needs redis-server on the PATH");
  const port = await freePort();
  const settings = { bind: "127.0.0.1", port: String(port), save: "", appendonly: "no", dir: tmpdir() };
  const server = await startServer(
    {
      name: "redis-server",
      command: "redis-server",
      args: Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]),
      endsWithParent: "SIGTERM",
    },
    (line) => line.includes("Ready to accept connections"),
    { timeoutMs: TIMEOUT_MS, signal },
  );
  stops.add(() => server.stop());
  return `redis://127.0.0.1:${port}`;
};

/**
 * PostgreSQL is that of DATABASE_URL or TEST_DATABASE_URL, otherwise an embedded one that is durable.
 *
 * @throws LocalError if a service does not start
 */
export const startServices = async (options: BenchOptions): Promise<Services> => {
  const { stops, onProgress } = options;
  onProgress("starting PostgreSQL and Redis …");
  const external = process.env["DATABASE_URL"] || process.env["TEST_DATABASE_URL"];
  const database = await createDatabase(external || (await startEmbedded(options)));
  stops.add(() => database.drop());
  const redisUrl = await startRedis(options);
  const redis = await connectRedis(redisUrl);
  await redis.stop();
  const collector = await startCollector(options);
  const { rows } = await withClient(database.url, (client) => client.query(SETTINGS));
  const description = `${rows[0]?.server} (${external ? "external" : "embedded"}); Redis ${redis.version}`;
  onProgress(description);
  return { databaseUrl: database.url, redisUrl, collector, description };
};
