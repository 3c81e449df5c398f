/** One process of the origin: its connections, its API, its background jobs, and their shutdown. */
import type { MiddlewareHandler } from "hono";
import { httpDependencies } from "#api/origin/config.ts";
import { apiHandlers } from "#api/origin/handlers.ts";
import { apiJobs } from "#api/origin/jobs.ts";
import { type Contract, contract } from "../contract/contract.ts";
import { edgeRoutes } from "../contract/edge-manifest.ts";
import { sleep, withTimeout } from "../lib/async.ts";
import { createCacheMetrics, createGuardMetrics } from "../telemetry/instruments.ts";
import { cleanBlocklist, createAutoBlock } from "./admin/blocklist/auto-block.ts";
import { administrationHandlers } from "./admin/blocklist/handlers.ts";
import { blocklistPublication } from "./admin/blocklist/store.ts";
import { keysPublication } from "./admin/keys.ts";
import { limitsPublication } from "./admin/limits.ts";
import { type PublishTarget, publishJob } from "./admin/publish.ts";
import { createOrigin } from "./app.ts";
import type { OriginConfiguration } from "./config/schema.ts";
import { waitForMigrations } from "./db/migrate.ts";
import { connectPostgres, type PostgresPool } from "./db/postgres.ts";
import { documentationHandlers } from "./docs/handlers.ts";
import { originGuards } from "./guards.ts";
import type { Handlers } from "./handler.ts";
import { createHttpClient } from "./http/client.ts";
import { checkJobs } from "./jobs/job.ts";
import { jobRunner, type RunningJob } from "./jobs/runner.ts";
import { type Job, startJob } from "./lifecycle/jobs.ts";
import { listen } from "./lifecycle/listen.ts";
import { createReadiness } from "./lifecycle/readiness.ts";
import type { OriginLog } from "./log/log.ts";
import type { LogOutput } from "./log/stdout.ts";
import { processMetrics } from "./metrics/global.ts";
import { observeCacheMemory, observeServer } from "./metrics/instruments.ts";
import { observeProcess } from "./metrics/process-metrics.ts";
import { createDeadlines } from "./middleware/deadline.ts";
import { cleanRecords } from "./middleware/idempotency.ts";
import { createLoadShedding } from "./middleware/load-shedding.ts";
import { answerMalformed } from "./middleware/malformed.ts";
import { NONCE_LIFETIME_S } from "./middleware/verify-signature.ts";
import { createSecurityEvents } from "./outbox/security-events.ts";
import { configuredSinks } from "./outbox/sinks.ts";
import { warnOfEviction } from "./redis/eviction.ts";
import { connectRedis, REDIS_BREAKER } from "./redis/store.ts";
import { createOriginResponseCache, type OriginResponseCache } from "./response-cache/index.ts";
import { breakerFactory } from "./telemetry/breakers.ts";
import { createProcessTelemetry } from "./telemetry/process-telemetry.ts";

/** How often publications (keys, limit overrides, the blocklist) are compared with the database. */
const PUBLISH_INTERVAL_MS = 2_000;
/** How often expired idempotency records and blocks are removed. */
const CLEAN_INTERVAL_MS = 60_000;
/** How often lost connections are replaced, up to `database.min_connections`. */
const WARM_UP_INTERVAL_MS = 10_000;
/** How often invalidations that did not reach Redis are sent again. */
const FLUSH_INTERVAL_MS = 1_000;

/** The longest wait at shutdown for each part that may hang, milliseconds. */
const CLOSE_TIMEOUT_MS = 1_000;
/** The longest wait at shutdown for the collector, milliseconds. */
const TELEMETRY_TIMEOUT_MS = 2_000;
/** The longest wait after the drain: for jobs, security events, invalidations, connections, and the collector. */
export const CLOSING_MS = 4 * CLOSE_TIMEOUT_MS + TELEMETRY_TIMEOUT_MS;

/**
 * A write that meets a closed connection cannot be sent again, so clients have to close their idle connections first.
 * Longer than workerd keeps one (5 s). A proxy in the cluster keeps them for longer, but the pod is no longer among its
 * endpoints by now.
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
  /** The output of the log: the lines that it drops are counted. */
  readonly output: LogOutput;
}

const startJobs = (
  target: PublishTarget,
  pool: PostgresPool,
  cache: OriginResponseCache,
  log: OriginLog,
): Job[] => [
  ...[keysPublication, limitsPublication, blocklistPublication].map((publication) =>
    startJob(publishJob(publication, target, log), PUBLISH_INTERVAL_MS),
  ),
  startJob(() => cache.flush().catch(() => undefined), FLUSH_INTERVAL_MS),
  startJob(() => cleanRecords(pool, log), CLEAN_INTERVAL_MS),
  startJob(() => cleanBlocklist(pool, log), CLEAN_INTERVAL_MS),
  // A connection that cannot be opened now is opened when it is needed.
  startJob(() => pool.warmUp().catch(() => undefined), WARM_UP_INTERVAL_MS),
];

/** Waits for work that may hang. */
const settled = (work: Promise<unknown>, timeoutMs = CLOSE_TIMEOUT_MS): Promise<unknown> =>
  withTimeout(work, timeoutMs, { fallback: undefined });

export type ServingProcess = Awaited<ReturnType<typeof startServer>>;

/**
 * @param invalidateElsewhere invalidates tags in the other processes of this origin
 * @throws if the port cannot be opened
 */
export const startServer = async (
  configuration: OriginConfiguration,
  { log, output }: ProcessLog,
  invalidateElsewhere?: (tags: readonly string[]) => Promise<void>,
) => {
  const { server, database, circuitBreaker, observability, security } = configuration;
  const { url: redisUrl, token: redisToken, keyPrefix } = configuration.redis;
  const now = Date.now;
  const { meter } = processMetrics;
  checkJobs(apiJobs);
  observeProcess(meter);

  const createBreaker = breakerFactory(meter, log);
  const breaker = createBreaker("database", circuitBreaker);
  const redisBreaker = createBreaker("redis", { ...circuitBreaker, ...REDIS_BREAKER });
  const callerFetch = createHttpClient({
    dependencies: httpDependencies,
    createBreaker: (upstream) => createBreaker("http", circuitBreaker, upstream),
    meter,
  });
  const breakers = { postgresql: breaker, redis: redisBreaker };
  const telemetry = createProcessTelemetry(configuration, { meter, log, output, breakers });
  const pool = connectPostgres(database.url, { ...database, log, breaker, observe: telemetry.data });
  const bareRedis = connectRedis(redisUrl, redisToken, log);
  const redis = bareRedis.instrumented({ breaker: redisBreaker, observe: telemetry.data });

  const readiness = createReadiness(
    { database: async () => void (await pool.query("SELECT 1")), redis: () => redis.ping() },
    now,
  );
  const deadlines = createDeadlines(now);
  observeServer(meter, () => pool.usage(), deadlines);
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
  const securityEvents = createSecurityEvents({
    database: pool,
    onOffenses: security.autoBlock
      ? createAutoBlock({ database: pool, neverBlocked: security.neverBlocked ?? [], meter, log, now })
      : undefined,
    sinks: configuredSinks(configuration, log, now),
    meter,
    log,
  });
  const guards = (): readonly MiddlewareHandler[] =>
    originGuards({
      configuration,
      routes: contract,
      database: pool,
      redis,
      limitRedis: bareRedis.instrumented({ observe: telemetry.data }),
      redisBreaker,
      securityEvents,
      observe: createGuardMetrics(meter),
      log,
      now,
    });

  const app = createOrigin({
    routes: contract,
    handlers,
    database: pool,
    signingKeys: configuration.signingKeys,
    authorities: server.authorities,
    clientAddressHeader: server.clientAddressHeader,
    guards: server.guards === "origin" ? guards() : undefined,
    readiness,
    deadlines,
    loadShedding: createLoadShedding(configuration.overload, { meter, routes: contract }),
    cache,
    callerFetch,
    settings: configuration.api,
    invalidateElsewhere,
    telemetry: telemetry.requests,
    observeCache: createCacheMetrics(meter),
    defaultFreshS,
    securityEvents,
    log,
    claimNonce: (nonce) => redis.setIfAbsent(`${keyPrefix}nonce:${nonce}`, NONCE_LIFETIME_S * 1000),
    now,
  });
  const malformed = answerMalformed({ server, record: securityEvents.record, now });
  const api = await listen(app.fetch, server, malformed);
  const startApiJob = jobRunner({
    database: pool,
    callerFetch,
    settings: configuration.api,
    meter,
    samplingRate: observability.samplingRate,
    log,
  });

  const stopping = new AbortController();
  let jobs: Job[] = [];
  let ownJobs: RunningJob[] = [];
  const ready = waitForMigrations(database.url, { ...database, log, signal: stopping.signal }).then(() => {
    if (stopping.signal.aborted) return;
    readiness.migrated();
    jobs = startJobs({ pool, redis, keyPrefix }, pool, cache, log);
    ownJobs = apiJobs.map(startApiJob);
    securityEvents.start();
    // Without the breaker: a refusal is no failure.
    void warnOfEviction(bareRedis, log);
  });
  ready.catch(() => undefined);

  return {
    port: api.port,
    /** Resolves when the process may receive requests; rejects if it never will. */
    ready,
    metrics: processMetrics.collect,
    report: () => readiness.report(),
    /**
     * Invalidates cached responses that another process of this origin has changed. Each process notifies
     * Redis itself: until then it ignores the entries of these tags in Redis.
     */
    invalidate: (tags: readonly string[]): void => cache.invalidate(tags),
    /**
     * Ends without losing a request (docs/origin.md, "Startup and shutdown"). Resolves when everything is
     * closed.
     *
     * @param isAlone whether no other process continues to serve on the port
     */
    drain: async (isAlone: boolean): Promise<void> => {
      // Before the migrations no request has come, and other processes on the port take the next ones.
      const preStopMs = readiness.isMigrated && isAlone ? server.preStopMs : 0;
      readiness.drain();
      stopping.abort();
      api.turnAway();
      const ownJobsEnded = Promise.all(ownJobs.map((job) => job.drain(server.drainTimeoutMs)));
      await sleep(preStopMs);
      // Without a pre-stop time no client is left.
      const hasClients = readiness.isMigrated && server.preStopMs > 0;
      const cutOff = await api.close(server.drainTimeoutMs, hasClients ? IDLE_GRACE_MS : undefined);
      if (cutOff > 0) log.warn({ cutOff }, "requests were cut off: the drain took too long");
      await ownJobsEnded;
      await settled(Promise.all(jobs.map((job) => job.stop())));
      if (readiness.isMigrated) await settled(securityEvents.stop());
      // The other origins need the invalidations of the last writes.
      await settled(cache.flush().catch(() => undefined));
      await settled(Promise.all([redis.close(), pool.close()]));
      // Last, so that the telemetry of the shutdown is exported too.
      await settled(telemetry.shutdown(), TELEMETRY_TIMEOUT_MS);
    },
  };
};
