/**
 * The origin's configuration as one zod schema. Messages, the printout, the documentation and the types
 * derive from it. A property's name is its key in the file in snake case: `server.preStopMs` is
 * `server.pre_stop`.
 */
import * as z from "zod/mini";
import { apiSettings } from "#api/origin/config.ts";
import { VERSION } from "../../lib/version.ts";
import { type GuardConfig, keySetUrl, rateLimitMode } from "../../middleware/config.ts";
import { signingKeys } from "../../middleware/signature/signing-keys.ts";
import { nodeHmac } from "./hmac.ts";
import { type KeyDetails, keyDetails, optional, required, withDefault } from "./keys.ts";
import * as v from "./values.ts";

/** The variables of keys whose names do not follow from the key. The first that is set wins. */
const OTHER_VARIABLES: Readonly<Record<string, readonly string[]>> = {
  "server.authorities": ["ORIGIN_AUTHORITIES"],
  "observability.otlp_endpoint": ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTLP_ENDPOINT"],
  "observability.otlp_headers": ["OTEL_EXPORTER_OTLP_HEADERS"],
  "observability.service_name": ["OTEL_SERVICE_NAME"],
  "observability.resource_attributes": ["OTEL_RESOURCE_ATTRIBUTES"],
  "observability.sampling_rate": ["OTEL_TRACES_SAMPLER_ARG"],
  "observability.log_level": ["LOG_LEVEL", "RUST_LOG"],
  "security.events_on_stdout": ["SECURITY_EVENTS_ON_STDOUT"],
};

/** The variables of their keys have no prefix: `server.port` is PORT, but `cache.ttl` is CACHE_TTL. */
const UNPREFIXED: readonly string[] = ["server", "observability", "security"];

const port = v.wholeNumber(0, 65_535);
const breakerTime = v.duration("1ms", "1h");
const concurrency = v.wholeNumber(1, 100_000);

/** Without the rules between keys. */
const sections = z.object({
  server: z.object({
    host: withDefault(v.listenAddress, "0.0.0.0", "The address of both ports."),
    port: withDefault(port, "8080", "The API's port; 0 picks a free one."),
    adminPort: withDefault(port, "9090", "The port of probes and metrics; 0 picks a free one."),
    workers: withDefault(v.wholeNumber(1, 64), "1", "Processes that share the API's port."),
    preStopMs: withDefault(v.duration("0s", "5m"), "5s", "How long requests are accepted after SIGTERM."),
    drainTimeoutMs: withDefault(v.duration("0s", "10m"), "30s", "Time after that for requests in flight."),
    authorities: required(v.authorities, "Hosts by which the edge addresses it; signatures for others fail."),
    guards: withDefault(
      v.oneOf("edge", "origin"),
      "edge",
      "The tier that guards: with `edge` the origin serves only requests that the edge signed; with `origin` it needs no edge.",
    ),
    clientAddressHeader: optional(
      v.fieldName,
      "With guards at the origin: the header field with the client's address, written by the gateway in front; its last value counts, without a port. Without it, the client is the peer of the connection.",
    ),
  }),
  observability: z.object({
    otlpEndpoint: optional(
      v.httpUrl(),
      "The OpenTelemetry collector, which receives spans, and security events as logs, by OTLP over HTTP (port 4318): the address without `/v1/traces`. That path and port 4317, of OTLP over gRPC, are corrected with a warning.",
    ),
    otlpHeaders: optional(v.headerList, "Header fields that authenticate the origin to the collector."),
    serviceName: withDefault(v.line, "breakwater-origin", "Service name in telemetry."),
    serviceVersion: withDefault(v.line, VERSION, "Service version in telemetry."),
    resourceAttributes: optional(
      v.resourceAttributes,
      "Attributes of the resource in spans, logs and `target_info`, percent-encoded; also the service's name and version, unless they are set.",
    ),
    samplingRate: withDefault(v.fraction, "0.1", "Share of traces that is kept, unless the edge decides."),
    accessLog: withDefault(
      v.oneOf("true", "all", "false"),
      "true",
      "Whether sampled requests and responses from 500 on are logged, each request, or none.",
    ),
    logLevel: withDefault(v.logLevel, "info", "Minimum log level."),
  }),
  database: z.object({
    url: required(
      v.databaseUrl,
      "PostgreSQL. `sslmode`: `prefer`, `require` and `verify-ca` mean `verify-full`, which verifies the certificate and the host; with `uselibpqcompat=true` they have libpq's meaning. `no-verify` encrypts only.",
    ),
    maxConnections: withDefault(v.wholeNumber(1, 1_000), "20", "Upper bound, shared by the workers."),
    minConnections: withDefault(v.wholeNumber(0, 1_000), "0", "Connections that stay open while idle."),
    connectTimeoutMs: withDefault(v.duration("10ms", "5m"), "5s", "Maximum wait for a connection."),
    idleTimeoutMs: withDefault(v.duration("1s", "1d"), "60s", "How long an idle connection stays open."),
    slowStatementMs: withDefault(v.duration("0s", "10m"), "500ms", "Slower statements are logged."),
    preparedStatements: withDefault(v.flag, "true", "Whether statements are prepared; some poolers cannot."),
    migrate: withDefault(
      v.oneOf("at-start", "apart"),
      "at-start",
      "When migrations run: as the origin starts, or apart by `npm run migrate`, which the origin then waits for.",
    ),
  }),
  cache: z.object({
    ttlMs: withDefault(v.duration("0s", "30d"), "5m", "Freshness, unless the contract sets a route's own."),
    maxSize: withDefault(v.cacheSize, "1000", "Each worker's cache in memory; entries use 64MiB at most."),
  }),
  redis: z.object({
    url: required(v.redisUrl, "Redis by TCP, or Upstash by HTTP."),
    token: optional(v.secretLine, "The token for Redis over HTTP, required there."),
    keyPrefix: withDefault(v.line, "breakwater:", "Prefix of every Redis key; the edge needs the same."),
  }),
  circuitBreaker: z.object({
    failureThreshold: withDefault(v.wholeNumber(1, 1_000_000), "5", "Consecutive failures that open it."),
    successThreshold: withDefault(v.wholeNumber(1, 1_000), "3", "Successful probes that close it."),
    timeoutMs: withDefault(breakerTime, "1s", "Longest first open time, jittered; each further one doubles."),
    halfOpenTimeoutMs: withDefault(breakerTime, "2s", "Maximum duration of a probe; 2500ms for Redis."),
    maxTimeoutMs: withDefault(breakerTime, "2s", "Upper bound of `timeout` as it doubles."),
    minimumCalls: withDefault(v.wholeNumber(1, 1_000_000), "20", "Calls in ten seconds that ratios need."),
    failureRatio: withDefault(v.ratio, "0.5", "Share of failed calls that opens it."),
    slowCallMs: optional(breakerTime, "A call that takes this long is slow; if not set, no call is."),
    slowRatio: withDefault(v.ratio, "0.8", "Share of slow calls that opens it."),
    rampMs: withDefault(v.duration("0s", "1h"), "1s", "Time of growing load after closing; 0 for Redis."),
    rampFrom: withDefault(v.ratio, "0.1", "The first share of the load after closing."),
  }),
  overload: z.object({
    initialLimit: withDefault(concurrency, "20", "Concurrent requests per worker before the limit adapts."),
    minLimit: withDefault(concurrency, "8", "Lower bound of that limit."),
    maxLimit: withDefault(concurrency, "1000", "Upper bound of that limit."),
  }),
  security: z.object({
    rateLimits: withDefault(rateLimitMode, "enforce", "With guards at the origin: how rate limits apply."),
    jwtIssuer: optional(v.line, "With guards at the origin: required `iss`."),
    jwtAudience: optional(v.line, "Required `aud`."),
    jwtJwksUrl: optional(keySetUrl, "The issuer's key set, over HTTPS unless local."),
    autoBlock: withDefault(v.flag, "true", "Whether repeat offenders are blocked for a time."),
    neverBlocked: optional(v.networks, "Addresses and ranges exempt from auto-blocking."),
    eventsOnStdout: withDefault(v.flag, "true", "Whether security events are logged."),
    siemUrl: optional(v.httpUrl(true), "Webhook for security events."),
    siemToken: optional(v.secretLine, "The origin's token for the webhook."),
    siemFormat: withDefault(v.oneOf("json", "splunk-hec"), "json", "A JSON array, or Splunk's HEC objects."),
  }),
  api: apiSettings,
  signingKeys: required(signingKeys(nodeHmac), "The keys between the tiers: the first signs, each verifies."),
});

type Parsed = z.output<typeof sections>;
type Values = { readonly [Section in keyof Parsed]: Readonly<Parsed[Section]> };

/** A property that ends in `Ms` is in milliseconds. */
export interface OriginConfiguration extends Values {
  /** The settings of the shared guards, for an origin that mounts them itself. */
  readonly guards: GuardConfig;
}

export interface Key extends KeyDetails {
  /** In the schema, such as `server.adminPort`. */
  readonly path: string;
  /** In the file, such as `server.admin_port`. */
  readonly file: string;
  /** Environment variables; the first that is set wins. */
  readonly variables: readonly string[];
}

const keyAt = (path: string, schema: z.core.$ZodType): Key => {
  const about = keyDetails.get(schema);
  if (about === undefined) throw new Error(`${path} is not described`);
  const file = path.replace(/Ms$/, "").replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  const [section = "", ...name] = file.split(".");
  const ownName = (UNPREFIXED.includes(section) ? name : [section, ...name]).join("_").toUpperCase();
  return { ...about, path, file, variables: OTHER_VARIABLES[file] ?? [ownName] };
};

/** Every key, in the schema's order. */
export const allKeys: readonly Key[] = Object.entries(sections.shape).flatMap(([section, part]) =>
  part instanceof z.ZodMiniObject
    ? Object.entries(part.shape).map(([name, schema]) => keyAt(`${section}.${name}`, schema))
    : [keyAt(section, part)],
);

const TOKEN_KEYS = ["jwtIssuer", "jwtAudience", "jwtJwksUrl"] as const;
const TOGETHER = "security.jwt_issuer, security.jwt_audience and security.jwt_jwks_url belong together";

/**
 * With the rules between keys, which apply even if other keys are wrong: a wrong value is not text, and no
 * number compares with it.
 */
export const originSchema = sections.check(
  z.superRefine(
    ({ server, database, redis, circuitBreaker, overload, security }, { addIssue }) => {
      const reject = (key: string, message: string): void =>
        addIssue({ code: "custom", path: key.split("."), message });
      const hasTokens = TOKEN_KEYS.some((name) => typeof security[name] === "string");
      for (const name of TOKEN_KEYS)
        if (hasTokens && security[name] === undefined) reject(`security.${name}`, `is missing: ${TOGETHER}`);
      if (server.port !== 0 && server.adminPort === server.port)
        reject("server.adminPort", `must differ from server.port (${server.port})`);
      const { minConnections, maxConnections } = database;
      if (minConnections > maxConnections)
        reject("database.minConnections", `must not exceed database.max_connections (${maxConnections})`);
      // A worker without a connection could not serve.
      if (maxConnections < server.workers)
        reject("database.maxConnections", `must be at least server.workers (${server.workers})`);
      if (redis.token === undefined && /^https?:/i.test(redis.url))
        reject("redis.token", "is missing: Redis over HTTP needs one");
      const { timeoutMs, maxTimeoutMs } = circuitBreaker;
      if (maxTimeoutMs < timeoutMs)
        reject("circuitBreaker.maxTimeoutMs", `must be at least circuit_breaker.timeout (${timeoutMs}ms)`);
      const { initialLimit, minLimit, maxLimit } = overload;
      const bounds = `overload.min_limit (${minLimit}) and overload.max_limit (${maxLimit})`;
      if (initialLimit < minLimit || initialLimit > maxLimit)
        reject("overload.initialLimit", `must be within ${bounds}`);
    },
    { when: () => true },
  ),
);
