/** One process of the origin: its connections, its API, its background jobs, and their end. */
import { type Contract, contract } from "../contract/contract.ts";
import { edgeRoutes } from "../contract/edge-manifest.ts";
import { sleep, withTimeout } from "../lib/async.ts";
import { createCacheMetrics, createLimitMetrics } from "../telemetry/instruments.ts";
import type { CollectedMetrics } from "../telemetry/meter-provider.ts";
import { cleanBlocklist, createAutoBlock } from "./admin/blocklist/auto-block.ts";
import { administrationHandlers } from "./admin/blocklist/handlers.ts";
import { blocklistPublication } from "./admin/blocklist/store.ts";
import { keysPublication } from "./admin/keys.ts";
import { limitsPublication } from "./admin/limits.ts";
import { publishJob } from "./admin/publish.ts";
import { apiHandlers } from "./api/handlers.ts";
import { createOrigin } from "./app.ts";
import type { OriginConfiguration } from "./config/schema.ts";
import { waitForMigrations } from "./db/migrate.ts";
import { connectPostgres, type PostgresPool } from "./db/postgres.ts";
import { documentationHandlers } from "./docs/handlers.ts";
import { originGuards } from "./guards.ts";
import type { Handlers } from "./handler.ts";
import { type Job, startJob } from "./lifecycle/jobs.ts";
import { listen } from "./lifecycle/listen.ts";
import { createReadiness, type ReadinessReport } from "./lifecycle/readiness.ts";
import type { OriginLog } from "./log/log.ts";
import type { LogOutput } from "./log/stdout.ts";
import { processMetrics } from "./metrics/global.ts";
import { observeCacheMemory, observeServer } from "./metrics/instruments.ts";
import { observeProcess } from "./metrics/process-metrics.ts";
import { createDeadlines } from "./middleware/deadline.ts";
import { cleanRecords } from "./middleware/idempotency.ts";
import { createLoadShedding } from "./middleware/load-shedding.ts";
import { NONCE_LIFETIME_S } from "./middleware/verify-signature.ts";
import { createSecurityEvents } from "./outbox/security-events.ts";
import { configuredSinks } from "./outbox/sinks.ts";
import { connectRedis, observedRedis, REDIS_BREAKER, type RedisStore, underBreaker } from "./redis/store.ts";
import { createOriginResponseCache, type OriginResponseCache } from "./response-cache/index.ts";
import { breakerFactory } from "./telemetry/breakers.ts";
import { createProcessTelemetry } from "./telemetry/process-telemetry.ts";

/** How often what is published (keys, limit overrides, the blocklist) is compared with the database. */
const PUBLISH_INTERVAL_MS = 2_000;
/** How often expired idempotency records and blocks are removed. */
const CLEAN_INTERVAL_MS = 60_000;
/** How often lost connections are replaced, up to `database.min_connections`. */
const WARM_UP_INTERVAL_MS = 10_000;
/** How often invalidations that did not reach Redis are sent again. */
const FLUSH_INTERVAL_MS = 1_000;

/** The longest wait at shutdown for each thing that may hang, milliseconds. */
const CLOSE_TIMEOUT_MS = 1_000;
/** The longest wait at shutdown for the collector, milliseconds. */
const TELEMETRY_TIMEOUT_MS = 2_000;

/**
 * A write that meets a closed connection cannot be sent again, so the edge has to close its idle connections first.
 * Longer than workerd keeps one (5 s).
 */
const IDLE_GRACE_MS = 6_000;

/** A handler for every route of the contract. */
export const handlers: Handlers<Contract> = {
  ...apiHandlers,
  ...administrationHandlers,
  ...documentationHandlers,
};

export interface ProcessLog {
  readonly log: OriginLog;
  /** Where the log goes: what it drops is counted. */
  readonly output?: LogOutput | undefined;
}

export interface ServingProcess {
  readonly port: number;
  /** Resolves when the process may receive requests; rejects if it never will. */
  readonly ready: Promise<void>;
  metrics(): Promise<CollectedMetrics>;
  report(): Promise<ReadinessReport>;
  /** Invalidates cached responses that another process of this origin has changed. */
  invalidate(tags: readonly string[]): void;
  /**
   * Ends without losing a request (docs/origin.md, "Beginning and ending"). Resolves when everything is closed.
   *
   * @param isAlone whether no other process continues to serve on the port @default true
   */
  drain(isAlone?: boolean): Promise<void>;
}

interface JobDependencies {
  readonly pool: PostgresPool;
  readonly redis: RedisStore;
  readonly keyPrefix: string;
  readonly cache: OriginResponseCache;
  readonly log: OriginLog;
}

const startJobs = ({ pool, redis, keyPrefix, cache, log }: JobDependencies): Job[] => [
  ...[keysPublication, limitsPublication, blocklistPublication].map((publication) =>
    startJob(publishJob(publication, { pool, redis, keyPrefix }, log), PUBLISH_INTERVAL_MS),
  ),
  startJob(() => cache.flush().catch(() => undefined), FLUSH_INTERVAL_MS),
  startJob(() => cleanRecords(pool, log), CLEAN_INTERVAL_MS),
  startJob(() => cleanBlocklist(pool, log), CLEAN_INTERVAL_MS),
  // A connection that cannot be opened now is opened when it is needed.
  startJob(() => pool.warmUp().catch(() => undefined), WARM_UP_INTERVAL_MS),
];

const settled = async (work: Promise<unknown>, ms: number): Promise<void> => {
  await withTimeout(work, ms, { fallback: undefined });
};

/**
 * @param invalidateElsewhere invalidates tags in the other processes of this origin
 * @throws if the port cannot be opened
 */
export const startServer = async (
  configuration: OriginConfiguration,
  { log, output }: ProcessLog,
  invalidateElsewhere?: (tags: readonly string[]) => Promise<void>,
): Promise<ServingProcess> => {
  const { server, database, circuitBreaker, observability, security } = configuration;
  const { url: redisUrl, token: redisToken, keyPrefix } = configuration.redis;
  const now = Date.now;
  const { meter } = processMetrics;
  observeProcess(meter);

  const createBreaker = breakerFactory(meter, log);
  const breaker = createBreaker("database", circuitBreaker);
  const redisBreaker = createBreaker("redis", { ...circuitBreaker, ...REDIS_BREAKER });
  const telemetry = createProcessTelemetry(configuration, {
    meter,
    log,
    output,
    breakers: { postgresql: breaker, redis: redisBreaker },
  });
  const pool = connectPostgres(database.url, { ...database, log, breaker, observe: telemetry.data });
  const bareRedis = connectRedis(redisUrl, redisToken, log);
  const redis = observedRedis(underBreaker(bareRedis, redisBreaker), telemetry.data);

  const readiness = createReadiness(
    { database: async () => void (await pool.query("SELECT 1")), redis: () => redis.ping() },
    now,
  );
  const deadlines = createDeadlines(now);
  observeServer(meter, { database: () => pool.usage(), activeRequests: () => deadlines.inFlight });
  const defaultFreshS = Math.round(configuration.cache.ttlMs / 1_000);
  const cache = createOriginResponseCache({
    routes: Object.values(edgeRoutes(contract)),
    size: configuration.cache.maxSize,
    redis,
    keyPrefix,
    programVersion: observability.serviceVersion,
    defaultFreshS,
    log,
    now,
    random: Math.random,
  });
  observeCacheMemory(meter, () => cache.usage());
  const loadShedding = createLoadShedding(configuration.overload, { meter });
  const securityEvents = createSecurityEvents({
    database: pool,
    onOffenses: security.autoBlock
      ? createAutoBlock({ database: pool, neverBlocked: security.neverBlocked ?? [], meter, log, now })
      : undefined,
    sinks: configuredSinks(configuration, log, now),
    meter,
    log,
  });

  const app = createOrigin({
    routes: contract,
    handlers,
    database: pool,
    signingKeys: configuration.signingKeys,
    authorities: server.authorities,
    clientAddressHeader: server.clientAddressHeader,
    guards:
      server.guards === "origin"
        ? originGuards({
            configuration,
            routes: contract,
            database: pool,
            redis,
            limitRedis: observedRedis(bareRedis, telemetry.data),
            redisBreaker,
            securityEvents,
            observe: createLimitMetrics(meter),
            log,
            now,
          })
        : undefined,
    readiness,
    deadlines,
    loadShedding,
    cache,
    invalidateElsewhere,
    telemetry: telemetry.requests,
    observeCache: createCacheMetrics(meter),
    defaultFreshS,
    securityEvents,
    log,
    claimNonce: (nonce) => redis.setIfAbsent(`${keyPrefix}nonce:${nonce}`, NONCE_LIFETIME_S * 1000),
    now,
  });
  const api = await listen(app.fetch, server);

  const stopping = new AbortController();
  let jobs: Job[] = [];
  const ready = waitForMigrations(database.url, { ...database, log, signal: stopping.signal }).then(() => {
    if (stopping.signal.aborted) return;
    readiness.migrated();
    jobs = startJobs({ pool, redis, keyPrefix, cache, log });
    securityEvents.start();
  });
  ready.catch(() => undefined);

  return {
    port: api.port,
    ready,
    metrics: processMetrics.collect,
    report: () => readiness.report(),
    // Each process notifies Redis itself: until it has, it ignores what Redis has stored for these tags.
    invalidate: (tags) => cache.invalidate(tags),
    drain: async (isAlone = true) => {
      // Without migrations no request has come, and other processes on the port take the next ones.
      const preStopMs = readiness.isMigrated && isAlone ? server.preStopMs : 0;
      readiness.drain();
      stopping.abort();
      api.turnAway();
      await sleep(preStopMs);
      // Without a pre-stop time no client is left.
      const hasClients = readiness.isMigrated && server.preStopMs > 0;
      const cutOff = await api.close(server.drainTimeoutMs, hasClients ? IDLE_GRACE_MS : undefined);
      if (cutOff > 0) log.warn({ cutOff }, "requests were cut off: the drain took too long");
      await settled(Promise.all(jobs.map((job) => job.stop())), CLOSE_TIMEOUT_MS);
      if (readiness.isMigrated) await securityEvents.stop();
      // The other origins need the invalidations of the last writes.
      const flushed = cache.flush().catch(() => undefined);
      await settled(flushed, CLOSE_TIMEOUT_MS);
      await settled(Promise.all([redis.close(), pool.close()]), CLOSE_TIMEOUT_MS);
      // Last, so that the telemetry of the shutdown is exported too.
      await settled(telemetry.shutdown(), TELEMETRY_TIMEOUT_MS);
    },
  };
};
