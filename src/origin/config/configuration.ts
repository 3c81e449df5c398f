/** The configuration as the program uses it. */
import type { GuardConfig } from "../../middleware/config.ts";
import type { Key } from "./key.ts";
import { keys } from "./keys.ts";

type ValuesOf<Keys> = {
  readonly [Name in keyof Keys]: Keys[Name] extends Key<infer Value> ? Value : ValuesOf<Keys[Name]>;
};

/** Names ending in `Ms` are milliseconds; what each key means: `keys.ts`. */
export interface OriginConfiguration extends ValuesOf<typeof keys> {
  /** The variables of the shared guards, for an origin that mounts them itself. */
  readonly guards: GuardConfig;
}

/** Every key of the table, in its order. */
export const allKeys: readonly Key<unknown>[] = Object.values(keys).flatMap(
  (each): readonly Key<unknown>[] => ("file" in each ? [each] : Object.values(each)),
);

/** Asks for the value of every key; the compiler sees that none is forgotten. */
export const assemble = (get: <T>(key: Key<T>) => T): Omit<OriginConfiguration, "guards"> => {
  const { server, observability, database, cache, redis, circuitBreaker, overload, security, signingKeys } =
    keys;
  return {
    server: {
      host: get(server.host),
      port: get(server.port),
      adminPort: get(server.adminPort),
      workers: get(server.workers),
      preStopMs: get(server.preStopMs),
      drainTimeoutMs: get(server.drainTimeoutMs),
      authorities: get(server.authorities),
      guards: get(server.guards),
      clientAddressHeader: get(server.clientAddressHeader),
    },
    observability: {
      otlpEndpoint: get(observability.otlpEndpoint),
      otlpHeaders: get(observability.otlpHeaders),
      serviceName: get(observability.serviceName),
      serviceVersion: get(observability.serviceVersion),
      samplingRate: get(observability.samplingRate),
      accessLog: get(observability.accessLog),
      logLevel: get(observability.logLevel),
    },
    database: {
      url: get(database.url),
      maxConnections: get(database.maxConnections),
      minConnections: get(database.minConnections),
      connectTimeoutMs: get(database.connectTimeoutMs),
      idleTimeoutMs: get(database.idleTimeoutMs),
      slowStatementMs: get(database.slowStatementMs),
      preparedStatements: get(database.preparedStatements),
      migrate: get(database.migrate),
    },
    cache: { ttlMs: get(cache.ttlMs), maxSize: get(cache.maxSize) },
    redis: {
      url: get(redis.url),
      token: get(redis.token),
      keyPrefix: get(redis.keyPrefix),
    },
    circuitBreaker: {
      failureThreshold: get(circuitBreaker.failureThreshold),
      successThreshold: get(circuitBreaker.successThreshold),
      timeoutMs: get(circuitBreaker.timeoutMs),
      halfOpenTimeoutMs: get(circuitBreaker.halfOpenTimeoutMs),
      maxTimeoutMs: get(circuitBreaker.maxTimeoutMs),
      minimumCalls: get(circuitBreaker.minimumCalls),
      failureRatio: get(circuitBreaker.failureRatio),
      slowCallMs: get(circuitBreaker.slowCallMs),
      slowRatio: get(circuitBreaker.slowRatio),
      rampMs: get(circuitBreaker.rampMs),
      rampFrom: get(circuitBreaker.rampFrom),
    },
    overload: {
      initialLimit: get(overload.initialLimit),
      minLimit: get(overload.minLimit),
      maxLimit: get(overload.maxLimit),
    },
    security: {
      rateLimits: get(security.rateLimits),
      jwtIssuer: get(security.jwtIssuer),
      jwtAudience: get(security.jwtAudience),
      jwtJwksUrl: get(security.jwtJwksUrl),
      autoBlock: get(security.autoBlock),
      neverBlocked: get(security.neverBlocked),
      eventsOnStdout: get(security.eventsOnStdout),
      siemUrl: get(security.siemUrl),
      siemToken: get(security.siemToken),
      siemFormat: get(security.siemFormat),
    },
    signingKeys: get(signingKeys),
  };
};
