/** One process that serves the API: everything it holds, from the first connection to the last. */
import { setTimeout as pause } from "node:timers/promises";
import { Registry } from "prom-client";
import { contract } from "../../contract/contract.ts";
import type { Admit } from "../admit.ts";
import { createOrigin } from "../app.ts";
import { createAutoBlock } from "../blocklist/auto-block.ts";
import { cleanBlocklist } from "../blocklist/clean.ts";
import { publishBlocklist } from "../blocklist/publish-blocklist.ts";
import { breakerFactory } from "../breakers.ts";
import { createOriginCache, type OriginCache } from "../cache/origin-cache.ts";
import type { OriginConfiguration } from "../config/configuration.ts";
import { connectPostgres, type PostgresPool } from "../data/postgres.ts";
import { connectRedis, observedRedis, REDIS_BREAKER, type RedisStore, underBreaker } from "../data/redis.ts";
import { createDeadlines } from "../deadlines.ts";
import { clientsBy } from "../guards/client-of.ts";
import { ownGuards } from "../guards/own-guards.ts";
import { ownKeyLookup } from "../guards/own-keys.ts";
import { ownLimits } from "../guards/own-limits.ts";
import { ownTokens } from "../guards/own-tokens.ts";
import { handlers } from "../handlers.ts";
import { cleanRecords } from "../idempotency/clean.ts";
import { publishKeys } from "../keys/publish-keys.ts";
import { publishOverrides } from "../limits/publish-overrides.ts";
import type { LogContext, OriginLog } from "../log.ts";
import type { LogOutput } from "../log-output.ts";
import { createCacheMetrics } from "../metrics/cache-metrics.ts";
import { createLimitMetrics } from "../metrics/limit-metrics.ts";
import { createRegistry } from "../metrics/registry.ts";
import { createLoadShedding } from "../middleware/load-shedding.ts";
import { configuredSinks } from "../security-events/configured-sinks.ts";
import { createSecurityEvents } from "../security-events/security-events.ts";
import { publisher } from "../snapshots/publisher.ts";
import { createProcessTelemetry } from "../telemetry/process-telemetry.ts";
import { NONCE_LIFETIME_S } from "../verify-edge.ts";
import { within } from "../within.ts";
import { listen } from "./listen.ts";
import { prepareDatabase } from "./prepare.ts";
import { createReadiness, type ReadinessReport } from "./readiness.ts";
import { type Repetition, repeat } from "./repeat.ts";

/** How often what is published (keys, overrides of limits, the blocklist) is compared with the database. */
const PUBLISH_INTERVAL_MS = 2_000;
/** How often what has expired is removed: idempotency records, blocks. */
const CLEAN_INTERVAL_MS = 60_000;
/** How often connections that were lost are replaced, up to `database.min_connections`. */
const WARM_UP_INTERVAL_MS = 10_000;

/** How often Redis is told of writes that it could not be told of before. */
const FLUSH_INTERVAL_MS = 1_000;

/** What hangs when the process ends is not waited for longer, milliseconds. */
const LEAVE_TIMEOUT_MS = 1_000;

/** A collector that does not take the last spans is not waited for longer, milliseconds. */
const TELEMETRY_TIMEOUT_MS = 2_000;

/**
 * A write that meets a closed connection cannot be sent again: so the edge is to close its idle ones first.
 * Longer than workerd keeps one (5 s).
 */
const IDLE_GRACE_MS = 6_000;

export interface ProcessLog {
  readonly log: OriginLog;
  /** Where its lines go, for those that are written by hand; without it requests leave none. */
  readonly output?: LogOutput | undefined;
  /** Is told what is worked below. */
  readonly context?: LogContext | undefined;
}

export interface ServingProcess {
  readonly port: number;
  /** Resolves when the process may get requests; rejects where it never will. */
  readonly ready: Promise<void>;
  readonly registry: Registry;
  report(): Promise<ReadinessReport>;
  /** Another process of this origin has written what makes these tags' answers old. */
  invalidate(tags: readonly string[]): void;
  /**
   * Ends without a request lost (docs/origin.md, "Beginning and ending"). Resolves when nothing is held any more.
   *
   * @param isAlone whether no other process goes on serving on the port @default true
   */
  drain(isAlone?: boolean): Promise<void>;
}

interface Upkept {
  readonly pool: PostgresPool;
  readonly redis: RedisStore;
  readonly cache: OriginCache;
  readonly log: OriginLog;
}

const startUpkeep = (
  { redis: { keyPrefix } }: OriginConfiguration,
  { pool, redis, cache, log }: Upkept,
): Repetition[] => [
  repeat(
    publisher("the keys", () => publishKeys(pool, redis, keyPrefix), log),
    PUBLISH_INTERVAL_MS,
  ),
  repeat(
    publisher("the overrides of limits", () => publishOverrides(pool, redis, keyPrefix), log),
    PUBLISH_INTERVAL_MS,
  ),
  repeat(
    publisher("the blocklist", () => publishBlocklist(pool, redis, keyPrefix), log),
    PUBLISH_INTERVAL_MS,
  ),
  repeat(() => cache.flush().catch(() => undefined), FLUSH_INTERVAL_MS),
  repeat(() => cleanRecords(pool, log), CLEAN_INTERVAL_MS),
  repeat(() => cleanBlocklist(pool, log), CLEAN_INTERVAL_MS),
  // What cannot be opened now is opened when it is needed.
  repeat(() => pool.warmUp().catch(() => undefined), WARM_UP_INTERVAL_MS),
];

/**
 * @param tellOthers tells the other processes of this origin what a write has made old
 * @throws where the port cannot be had
 */
export const serveProcess = async (
  configuration: OriginConfiguration,
  { log, output, context }: ProcessLog,
  tellOthers?: (tags: readonly string[]) => Promise<void>,
): Promise<ServingProcess> => {
  const { server, database, redis: redisOptions, circuitBreaker, observability } = configuration;
  const now = Date.now;
  const registry = new Registry();
  const createBreaker = breakerFactory(registry, log);
  const breaker = createBreaker("database", circuitBreaker);
  const redisBreaker = createBreaker("redis", { ...circuitBreaker, ...REDIS_BREAKER });
  const telemetry = createProcessTelemetry(configuration, {
    registry,
    log,
    output,
    context,
    breakers: { postgresql: breaker, redis: redisBreaker },
    now,
  });
  const pool = connectPostgres(database.url, { ...database, log, breaker, observe: telemetry.data });
  const bareRedis = connectRedis(redisOptions.url, redisOptions.token, log);
  const redis = observedRedis(underBreaker(bareRedis, redisBreaker), telemetry.data);
  const readiness = createReadiness(
    { database: async () => void (await pool.query("SELECT 1")), redis: () => redis.ping() },
    now,
  );
  const deadlines = createDeadlines(now);
  createRegistry(
    {
      serviceName: observability.serviceName,
      serviceVersion: observability.serviceVersion,
      database: () => pool.usage(),
      activeRequests: () => deadlines.inFlight,
    },
    registry,
  );
  const cache = createOriginCache(configuration, {
    routes: contract,
    redis,
    log,
    now,
    random: Math.random,
  });
  const loadShedding = createLoadShedding(configuration.overload, { registry });
  const { security } = configuration;
  const securityEvents = createSecurityEvents({
    database: pool,
    onOffences: security.autoBlock
      ? createAutoBlock({ database: pool, neverBlocked: security.neverBlocked ?? [], registry, log, now })
      : undefined,
    sinks: configuredSinks(configuration, log, now),
    registry,
    log,
    now,
    random: Math.random,
    newId: () => crypto.randomUUID(),
  });
  const { keyPrefix } = redisOptions;
  const guards = (): Admit =>
    ownGuards({
      routes: contract,
      database: pool,
      clientOf: clientsBy(server.clientAddressHeader),
      lookup: ownKeyLookup(pool, redis, keyPrefix),
      tokens: ownTokens(security, now, log),
      limits: ownLimits({
        redis: observedRedis(bareRedis, telemetry.data),
        breaker: redisBreaker,
        keyPrefix,
        enforcement: security.rateLimits,
        log,
        observe: createLimitMetrics(registry),
        now,
      }),
      securityEvents,
      samplingRate: observability.samplingRate,
      log,
      now,
    });
  const app = createOrigin({
    guards: server.guards === "origin" ? guards() : undefined,
    routes: contract,
    handlers,
    database: pool,
    signingKeys: configuration.signingKeys,
    authorities: server.authorities,
    readiness,
    deadlines,
    loadShedding,
    cache: cache.cache,
    tellOthers,
    telemetry: telemetry.requests,
    observeCache: createCacheMetrics(registry, () => cache.cache.usage()),
    defaultFreshS: cache.defaultFreshS,
    securityEvents,
    log,
    claimNonce: (nonce) => redis.setIfAbsent(`${keyPrefix}nonce:${nonce}`, NONCE_LIFETIME_S * 1000),
    now,
  });
  const api = await listen(app.fetch, server);

  const stopping = new AbortController();
  let upkeep: Repetition[] = [];
  const ready = prepareDatabase(database.url, { ...database, log, signal: stopping.signal }).then(() => {
    if (stopping.signal.aborted) return;
    readiness.migrated();
    upkeep = startUpkeep(configuration, { pool, redis, cache, log });
    securityEvents.start();
  });
  ready.catch(() => undefined);

  return {
    port: api.port,
    ready,
    registry,
    report: () => readiness.report(),
    // Each tells Redis for itself: until it has, it believes nothing that is kept there.
    invalidate: (tags) => cache.cache.invalidate(tags),
    drain: async (isAlone = true) => {
      // Where no request ever came there is none to wait for, and where others have the port they take them.
      const preStopMs = readiness.isMigrated && isAlone ? server.preStopMs : 0;
      readiness.drain();
      stopping.abort();
      api.turnAway();
      await pause(preStopMs);
      // Without a pre-stop time nobody sends any more.
      const hasClients = readiness.isMigrated && server.preStopMs > 0;
      const cutOff = await api.close(server.drainTimeoutMs, hasClients ? IDLE_GRACE_MS : undefined);
      if (cutOff > 0) log.warn({ cutOff }, "requests were cut off: the drain took too long");
      const upkeepEnded = Promise.all(upkeep.map((repetition) => repetition.stop()));
      await within(upkeepEnded, LEAVE_TIMEOUT_MS, undefined);
      if (readiness.isMigrated) await securityEvents.stop();
      // What the last writes have made old, the other origins are to hear of.
      await within(
        cache.flush().catch(() => undefined),
        LEAVE_TIMEOUT_MS,
        undefined,
      );
      await within(Promise.all([redis.close(), pool.close()]), LEAVE_TIMEOUT_MS, undefined);
      // Last, so that what the others had to tell is told too.
      await within(telemetry.shutdown(), TELEMETRY_TIMEOUT_MS, undefined);
    },
  };
};
