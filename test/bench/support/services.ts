/** PostgreSQL and Redis of a run's own, and a collector, shared by the servers under test. */
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import pg from "pg";
import { isOnPath, startServer } from "../../../src/local/child-process.ts";
import { CleanupStack } from "../../../src/local/cleanup-stack.ts";
import { freePort } from "../../../src/local/free-port.ts";
import { LocalError } from "../../../src/local/local-error.ts";
import { erasePostgres, startPostgres } from "../../../src/local/postgres.ts";
import { connectRedis } from "../../../src/local/redis.ts";
import { createDatabase } from "../../support/database.ts";
import { type Collector, startCollector } from "./collector.ts";

export interface ServiceFacts {
  /** A database of the run's own. */
  readonly databaseUrl: string;
  readonly redisUrl: string;
  readonly redisKeyPrefix: string;
  readonly collector: Collector;
  /** Servers, versions and durability, for the report. */
  readonly description: string;
}

export interface Services extends ServiceFacts {
  stop(): Promise<void>;
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

const startEmbedded = async (
  stops: CleanupStack,
  signal: AbortSignal,
  onNotice: (line: string) => void,
): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), "breakwater-bench-"));
  stops.add(() => rm(folder, { recursive: true, force: true }));
  stops.add(() => erasePostgres(join(folder, "postgres")));
  const postgres = await startPostgres({
    folder: join(folder, "postgres"),
    durable: true,
    signal,
    onNotice,
  });
  stops.add(() => postgres.stop());
  return postgres.url;
};

const SETTINGS = `
  SELECT format('PostgreSQL %s, synchronous_commit %s, fsync %s', current_setting('server_version'),
    current_setting('synchronous_commit'), current_setting('fsync')) AS server`;

const dropKeys = async (url: string, prefix: string): Promise<void> => {
  const redis = new Redis(url);
  for await (const keys of redis.scanStream({ match: `${prefix}*`, count: 1_000 }))
    if (keys.length > 0) await redis.del(...keys);
  redis.disconnect();
};

/** `redis-server` if it is on the PATH, otherwise the server of TEST_REDIS_URL. @returns its URL */
const startRedis = async (stops: CleanupStack, keyPrefix: string, signal: AbortSignal): Promise<string> => {
  const given = process.env["TEST_REDIS_URL"];
  if (isOnPath("redis-server")) {
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
  }
  if (!given) throw new LocalError("no Redis: put redis-server on the PATH, or set TEST_REDIS_URL=redis://…");
  stops.add(() => dropKeys(given, keyPrefix));
  return given;
};

/**
 * PostgreSQL is that of DATABASE_URL or TEST_DATABASE_URL, otherwise an embedded one that is durable.
 *
 * @throws LocalError if a service does not start
 */
export const startServices = async (
  signal: AbortSignal,
  onNotice: (line: string) => void,
): Promise<Services> => {
  const stops = new CleanupStack();
  try {
    const given = process.env["DATABASE_URL"] || process.env["TEST_DATABASE_URL"];
    const database = await createDatabase(given || (await startEmbedded(stops, signal, onNotice)));
    stops.add(() => database.drop());
    const redisKeyPrefix = `breakwater_bench_${randomBytes(6).toString("hex")}:`;
    const redisUrl = await startRedis(stops, redisKeyPrefix, signal);
    const redis = await connectRedis(redisUrl);
    await redis.stop();
    const collector = await startCollector(stops, signal);
    const { rows } = await withClient(database.url, (client) => client.query(SETTINGS));
    const description = `${rows[0]?.server} (${given ? "given" : "embedded"}); Redis ${redis.version}`;
    onNotice(description);
    return {
      databaseUrl: database.url,
      redisUrl,
      redisKeyPrefix,
      collector,
      description,
      stop: () => stops.runAll(),
    };
  } catch (error) {
    await stops.runAll();
    throw error;
  }
};
