/** The whole system, with a door in front of each part: what the drills break. */
import { randomBytes, randomFillSync } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { insertSampleData } from "#api/origin/sample-data.ts";
import { contract } from "../../src/contract/contract.ts";
import { scopesOf } from "../../src/contract/route.ts";
import type { CleanupStack } from "../../src/local/cleanup-stack.ts";
import { type Door, startDoor } from "../../src/local/door.ts";
import { bundleEdge, type LocalEdge, startEdge } from "../../src/local/edge.ts";
import { freePort } from "../../src/local/free-port.ts";
import { type LocalOrigin, startOrigin } from "../../src/local/origin.ts";
import { connectRedis } from "../../src/local/redis.ts";
import { startUpstashBridge } from "../../src/local/upstash-bridge.ts";
import { createKey } from "../../src/middleware/auth/api-keys.ts";
import { insertKey, keysPublication } from "../../src/origin/admin/keys.ts";
import { type Publication, publish } from "../../src/origin/admin/publish.ts";
import { connectPostgres, type PostgresPool } from "../../src/origin/db/postgres.ts";
import { createLog } from "../../src/origin/log/log.ts";
import { connectRedis as connectStore } from "../../src/origin/redis/store.ts";
import { startWebhookServer, type WebhookServer } from "../origin/outbox/webhook-server.ts";
import { type Collector, startCollector } from "../support/collector.ts";
import { type OwnPostgres, startOwnPostgres } from "../support/own-postgres.ts";
import { type OwnRedis, startOwnRedis } from "./redis.ts";

export interface DrillOrigin {
  /** Between the edge and the origin. */
  readonly door: Door;
  readonly pid: number;
  kill(): Promise<void>;
  stop(): Promise<void>;
  /** Starts it again at its address. @param environment overrides variables, also of later starts */
  start(environment?: Readonly<Record<string, string>>): Promise<void>;
}

export interface World {
  readonly edgeUrl: string;
  readonly postgres: OwnPostgres;
  /** Straight to the database. */
  readonly pool: PostgresPool;
  readonly redis: OwnRedis;
  readonly origins: readonly DrillOrigin[];
  readonly collector: Collector;
  readonly siem: WebhookServer;
  readonly signingKeys: string;
  /** Of an origin that joins the others: its stores, sinks and signing keys. */
  readonly originEnvironment: Readonly<Record<string, string>>;
  /** Of the edge's runtime. */
  readonly edgePid: number;
  /** Ends the edge's runtime, and starts another at its address. @param environment overrides variables, also later */
  restartEdge(environment?: Readonly<Record<string, string>>): Promise<void>;
  /** A key with all scopes. */
  createKey(principal: string): Promise<{ readonly id: string; readonly key: string }>;
  /** Publishes what has changed, as an operator's command does. @throws if Redis or the database cannot be reached */
  publish(publication: Publication): Promise<void>;
}

const ORIGINS = 2;
/** The default of both tiers. */
const KEY_PREFIX = "breakwater:";

const startDrillOrigin = async (
  name: string,
  shared: Readonly<Record<string, string>>,
  cleanups: CleanupStack,
  random: () => number,
): Promise<DrillOrigin & { readonly url: string }> => {
  const port = await freePort();
  const door = await startDoor(`http://127.0.0.1:${port}`, random);
  cleanups.add(() => door.stop());
  let environment: Readonly<Record<string, string>> = {
    ...shared,
    ORIGIN_AUTHORITIES: `127.0.0.1:${door.port}`,
    // Long enough for the edge to notice that it is no longer ready.
    PRE_STOP: "2s",
  };
  const launch = (): Promise<LocalOrigin> => startOrigin({ name, port, environment });
  let origin = await launch();
  cleanups.add(() => origin.kill());
  return {
    door,
    url: door.url,
    get pid() {
      return origin.pid;
    },
    kill: () => origin.kill(),
    stop: () => origin.stop(),
    start: async (changes) => {
      environment = { ...environment, ...changes };
      origin = await launch();
    },
  };
};

/**
 * @param random of the network's losses, from 0 to below 1
 * @throws LocalError; `cleanups` stops the parts that have started
 */
export const startWorld = async (
  cleanups: CleanupStack,
  random: () => number = Math.random,
): Promise<World> => {
  const folder = await mkdtemp(join(tmpdir(), "breakwater-drill-"));
  cleanups.add(() => rm(folder, { recursive: true, force: true }));
  const bundle = await bundleEdge(undefined, folder);
  const collector = await startCollector();
  cleanups.add(() => collector.stop());
  const siem = await startWebhookServer();
  cleanups.add(() => siem.stop());
  const postgres = await startOwnPostgres();
  cleanups.add(() => postgres.remove());
  const redis = await startOwnRedis();
  cleanups.add(() => redis.remove());
  const { client, stop } = await connectRedis(redis.url);
  cleanups.add(stop);
  const bridge = await startUpstashBridge({ client, token: randomBytes(16).toString("hex") });
  cleanups.add(() => bridge.stop());

  const signingKeys = `first:${randomBytes(32).toString("base64")}`;
  const shared = { SIGNING_KEYS: signingKeys, OTEL_EXPORTER_OTLP_ENDPOINT: collector.url };
  const stores = { DATABASE_URL: postgres.url, REDIS_URL: bridge.url, REDIS_TOKEN: bridge.token };
  const events = { SIEM_URL: siem.url, SIEM_TOKEN: randomBytes(16).toString("hex") };
  const names = Array.from({ length: ORIGINS }, (_, index) => `origin ${index + 1}`);
  const originEnvironment = { ...shared, ...stores, ...events };
  const origins = await Promise.all(
    names.map((name) => startDrillOrigin(name, originEnvironment, cleanups, random)),
  );
  const log = createLog("silent");
  const pool = connectPostgres(postgres.url, { maxConnections: 4, log });
  const target = { pool, redis: connectStore(bridge.url, bridge.token, log), keyPrefix: KEY_PREFIX };
  cleanups.add(() => pool.close());
  await insertSampleData(pool);

  let edgeEnvironment: Readonly<Record<string, string>> = {
    ...shared,
    ORIGINS: origins.map(({ url }) => url).join(),
    UPSTASH_REDIS_REST_URL: bridge.url,
    UPSTASH_REDIS_REST_TOKEN: bridge.token,
  };
  const port = await freePort();
  const launchEdge = (): Promise<LocalEdge> => startEdge({ bundle, port, environment: edgeEnvironment });
  let edge = await launchEdge();
  cleanups.add(() => edge.stop());
  return {
    edgeUrl: edge.url,
    postgres,
    pool,
    redis,
    origins,
    collector,
    siem,
    signingKeys,
    originEnvironment,
    get edgePid() {
      return edge.pid;
    },
    restartEdge: async (changes) => {
      edgeEnvironment = { ...edgeEnvironment, ...changes };
      await edge.stop();
      edge = await launchEdge();
    },
    createKey: async (principal) => {
      const { id, key, hash } = createKey((bytes) => randomFillSync(bytes));
      await insertKey(pool, { id, hash, principal, scopes: scopesOf(contract), expiresAtMs: null }, "drill");
      await publish(keysPublication, target);
      return { id, key };
    },
    publish: async (publication) => {
      await publish(publication, target);
    },
  };
};
