/** A whole system for a test file: its own database and key prefix, real origins, the worker in miniflare. */

import { randomBytes, randomFillSync } from "node:crypto";
import { inject, vi } from "vitest";
import { contract } from "../../src/contract/contract.ts";
import { scopesOf } from "../../src/contract/route.ts";
import { CleanupStack } from "../../src/local/cleanup-stack.ts";
import { startEdge } from "../../src/local/edge.ts";
import { freePort } from "../../src/local/free-port.ts";
import { type LocalOrigin, startOrigin } from "../../src/local/origin.ts";
import { createKey } from "../../src/middleware/auth/api-keys.ts";
import { insertKey, keysPublication } from "../../src/origin/admin/keys.ts";
import { publish } from "../../src/origin/admin/publish.ts";
import { insertSampleData } from "../../src/origin/api/sample-data.ts";
import { connectPostgres, type PostgresPool } from "../../src/origin/db/postgres.ts";
import { createLog } from "../../src/origin/log/log.ts";
import { connectRedis, type RedisStore } from "../../src/origin/redis/store.ts";
import { createDatabase } from "./database.ts";
import { dropKeys } from "./drop-keys.ts";
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
  /** Every line that an origin has logged. */
  readonly logLines: readonly string[];
  /** Every line that an edge has logged. */
  readonly edgeLogLines: readonly string[];
  /** A new API key of `principal`, published; with every scope unless told otherwise. */
  createKey(principal: string, scopes?: readonly string[]): Promise<{ id: string; key: string }>;
  /** One more origin with the same environment but for what is given; the edge learns of it only by `SystemOptions.address`. */
  startOrigin(environment?: Readonly<Record<string, string>>): Promise<LocalOrigin>;
  /** One more edge, an isolate of its own, with the same environment but for what is given. Its address. */
  startEdge(environment?: Readonly<Record<string, string>>): Promise<string>;
  /** A request through the edge. */
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

/** A request to an edge, or to an origin that guards itself. */
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
  /** A PostgreSQL of the test's own, by the URL of a role that may create databases. @default the shared one */
  readonly databaseServer?: string;
  /** By which origins and edge reach Redis. @default the shared bridge's own */
  readonly redisUrl?: string;
  /** Goes on top of every origin's environment. */
  readonly originEnvironment?: Readonly<Record<string, string>>;
  /** Goes on top of the edge's environment. @default limits are counted, and refuse nothing */
  readonly edgeEnvironment?: Readonly<Record<string, string>>;
  /** Where both tiers send what they tell of themselves, of every request. @default nowhere */
  readonly collectorUrl?: string;
  /** The one address at which the edge finds whichever origins there are. @default each origin's own */
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
          ACCESS_LOG: "all",
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
        // On a busy machine a command may take longer than it may.
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
