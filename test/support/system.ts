/** A whole system for a test file: its own database and key prefix, real origins, the Worker in miniflare. */
import { randomBytes, randomFillSync } from "node:crypto";
import { inject, vi } from "vitest";
import { insertSampleData } from "#api/origin/sample-data.ts";
import { contract } from "../../src/contract/contract.ts";
import { scopesOf } from "../../src/contract/route.ts";
import { CleanupStack } from "../../src/local/cleanup-stack.ts";
import { startEdge } from "../../src/local/edge.ts";
import { freePort } from "../../src/local/free-port.ts";
import { type LocalOrigin, startOrigin } from "../../src/local/origin.ts";
import { createKey } from "../../src/middleware/auth/api-keys.ts";
import type { Command, CommandContext } from "../../src/origin/admin/cli.ts";
import { insertKey, keysPublication } from "../../src/origin/admin/keys.ts";
import { publish } from "../../src/origin/admin/publish.ts";
import { connectPostgres, type PostgresPool } from "../../src/origin/db/postgres.ts";
import { createLog } from "../../src/origin/log/log.ts";
import { connectRedis, type RedisStore } from "../../src/origin/redis/store.ts";
import type { SecurityEvent } from "../../src/security-events/event.ts";
import { createDatabase, dropKeys } from "./database.ts";
import { fetchRead } from "./fetch.ts";

export interface System {
  readonly edgeUrl: string;
  readonly origins: readonly LocalOrigin[];
  readonly pool: PostgresPool;
  readonly redis: RedisStore;
  readonly databaseUrl: string;
  readonly databaseName: string;
  readonly keyPrefix: string;
  readonly signingKeys: string;
  /** The log lines of all origins. */
  readonly logLines: readonly string[];
  /** The log lines of all edges. */
  readonly edgeLogLines: readonly string[];
  /** Creates and publishes an API key. @param scopes @default all */
  createKey(principal: string, scopes?: readonly string[]): Promise<{ id: string; key: string }>;
  /** Starts another origin, which the edge finds only by `SystemOptions.address`. @param environment overrides variables */
  startOrigin(environment?: Readonly<Record<string, string>>): Promise<LocalOrigin>;
  /** Starts another edge, in its own isolate. @param environment overrides variables @returns its URL */
  startEdge(environment?: Readonly<Record<string, string>>): Promise<string>;
  /** Sends a request through the edge. */
  call(path: string, init?: CallInit): Promise<Response>;
  stop(): Promise<void>;
}

export interface CallInit {
  readonly method?: string;
  readonly key?: string;
  /** Sent as JSON. */
  readonly json?: unknown;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Sends a request to an edge, or to an origin that guards itself. */
export const call = (
  edgeUrl: string,
  path: string,
  { method, key, json, body, headers }: CallInit,
): Promise<Response> =>
  fetchRead(`${edgeUrl}${path}`, {
    method: method ?? "GET",
    headers: {
      ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
      ...(json === undefined ? {} : { "content-type": "application/json" }),
      ...headers,
    },
    ...(json === undefined ? {} : { body: JSON.stringify(json) }),
    ...(body === undefined ? {} : { body }),
    redirect: "manual",
  });

export interface SystemOptions {
  /** @default 1 */
  readonly origins?: number;
  /** The URL of a PostgreSQL role that may create databases. @default the shared server */
  readonly databaseServer?: string;
  /** The URL of Redis for origins and edge. @default the shared bridge */
  readonly redisUrl?: string;
  /** Overrides every origin's environment. */
  readonly originEnvironment?: Readonly<Record<string, string>>;
  /** Overrides the edge's environment, in which limits reject nothing. */
  readonly edgeEnvironment?: Readonly<Record<string, string>>;
  /** Receives the telemetry of both tiers, with every trace. @default none */
  readonly collectorUrl?: string;
  /** One address for all origins. @default each origin's own */
  readonly address?: string;
}

export const startSystem = async (options: SystemOptions = {}): Promise<System> => {
  const { origins: count = 1, databaseServer, address, collectorUrl, originEnvironment } = options;
  const servers = inject("servers");
  const { redisUrl = servers.redisUrl } = options;
  const stops = new CleanupStack();
  try {
    const database = await createDatabase(databaseServer ?? servers.databaseUrl);
    stops.add(database.drop);
    const keyPrefix = `${database.name}:`;
    const log = createLog("silent");
    const redis = connectRedis(servers.redisUrl, servers.redisToken, log);
    stops.add(() => dropKeys(servers.redisUrl, servers.redisToken, keyPrefix));
    const signingKeys = `test:${randomBytes(32).toString("base64")}`;
    const logLines: string[] = [];
    const edgeLogLines: string[] = [];
    const shared = {
      SIGNING_KEYS: signingKeys,
      REDIS_KEY_PREFIX: keyPrefix,
      ACCESS_LOG: "all",
      ...(collectorUrl === undefined ? {} : { OTEL_EXPORTER_OTLP_ENDPOINT: collectorUrl }),
    };
    let started = 0;
    const startNext = async (environment: Readonly<Record<string, string>> = {}): Promise<LocalOrigin> => {
      started += 1;
      const origin = await startOrigin({
        name: `origin ${started}`,
        port: await freePort(),
        environment: {
          ...shared,
          DATABASE_URL: database.url,
          REDIS_URL: redisUrl,
          REDIS_TOKEN: servers.redisToken,
          ...(address === undefined ? {} : { ORIGIN_AUTHORITIES: new URL(address).host }),
          ...originEnvironment,
          ...environment,
        },
        onLine: (line) => void logLines.push(line),
      });
      stops.add(() => origin.stop());
      return origin;
    };
    const origins = await Promise.all(Array.from({ length: count }, () => startNext()));
    const pool = connectPostgres(database.url, { maxConnections: 4, log });
    stops.add(() => pool.close());
    await insertSampleData(pool);
    const startOneEdge = async (environment: Readonly<Record<string, string>> = {}): Promise<string> => {
      const edge = await startEdge({
        bundle: servers.bundle,
        port: 0,
        environment: {
          ...shared,
          ORIGINS: address ?? origins.map(({ url }) => url).join(),
          UPSTASH_REDIS_REST_URL: redisUrl,
          UPSTASH_REDIS_REST_TOKEN: servers.redisToken,
          RATE_LIMITS: "dry-run",
          ...(collectorUrl === undefined
            ? {}
            : { OTEL_TRACES_SAMPLER_ARG: "1", OTEL_METRIC_EXPORT_INTERVAL: "1000" }),
          ...options.edgeEnvironment,
          ...environment,
        },
        onLine: (line) => void edgeLogLines.push(line),
      });
      stops.add(() => edge.stop());
      return edge.url;
    };
    const edgeUrl = await startOneEdge();
    return {
      edgeUrl,
      origins,
      pool,
      redis,
      databaseUrl: database.url,
      databaseName: database.name,
      keyPrefix,
      signingKeys,
      logLines,
      edgeLogLines,
      createKey: async (principal, scopes = scopesOf(contract)) => {
        const { id, key, hash } = createKey((bytes) => randomFillSync(bytes));
        await insertKey(pool, { id, hash, principal, scopes, expiresAtMs: null }, "test");
        // On a busy machine a command may exceed its timeout.
        await vi.waitFor(() => publish(keysPublication, { pool, redis, keyPrefix }), { timeout: 20_000 });
        return { id, key };
      },
      startOrigin: startNext,
      startEdge: startOneEdge,
      call: (path, init = {}) => call(edgeUrl, path, init),
      stop: () => stops.runAll(),
    };
  } catch (error) {
    await stops.runAll();
    throw error;
  }
};

/** Runs an operator's command. @returns its output */
export const runCommand = async (
  { pool, redis, keyPrefix }: System,
  command: Command,
  args: readonly string[],
  context: Partial<CommandContext> = {},
): Promise<string> => {
  const lines: string[] = [];
  const print = (line: string): void => void lines.push(line);
  await command.run({ pool, redis, keyPrefix, routes: contract, print, ...context }, [...args]);
  return lines.join("\n");
};

/** A client's security events in the origins' logs so far. */
export const eventsOf = ({ logLines }: System, client: string): SecurityEvent[] =>
  logLines
    .filter((line) => line.includes('"security event"'))
    .map((line): SecurityEvent => JSON.parse(line).event)
    .filter((event) => event.client === client);
