/**
 * The origin's configuration as one zod schema. Messages, the printout, the documentation and the types derive from
 * it. A property's name is its key in the file in snake case: `server.preStopMs` is `server.pre_stop`.
 */
import * as z from "zod";
import { VERSION } from "../../lib/version.ts";
import type { GuardConfig } from "../../middleware/config.ts";
import * as v from "./values.ts";

interface KeyDetails extends Omit<v.ValueType<unknown>, "schema"> {
  /** Environment variables; the first that is set wins. */
  readonly variables: readonly string[];
  /** As it would be written in the file. */
  readonly default?: string;
}

const details = z.registry<KeyDetails>();

const required = <T>({ schema, ...type }: v.ValueType<T>, variable: string) =>
  schema.clone().register(details, { ...type, variables: [variable] });

const optional = <T>({ schema, ...type }: v.ValueType<T>, ...variables: readonly string[]) =>
  schema.optional().register(details, { ...type, variables });

/** @param text the default, as it would be written in the file */
const withDefault = <T>({ schema, ...type }: v.ValueType<T>, text: string, ...variables: readonly string[]) =>
  schema.prefault(text).register(details, { ...type, variables, default: text });

const port = v.wholeNumber(0, 65_535);
const breakerTime = v.duration("1ms", "1h");
const concurrency = v.wholeNumber(1, 100_000);

/** Without the rules between keys. */
const sections = z.object({
  server: z.object({
    host: withDefault(v.listenAddress, "0.0.0.0", "HOST").describe("The address of both ports."),
    port: withDefault(port, "8080", "PORT").describe("The API's port; 0 picks a free one."),
    adminPort: withDefault(port, "9090", "ADMIN_PORT").describe(
      "The port of probes and metrics; 0 picks a free one.",
    ),
    workers: withDefault(v.wholeNumber(1, 64), "1", "WORKERS").describe(
      "Processes that share the API's port.",
    ),
    preStopMs: withDefault(v.duration("0s", "5m"), "5s", "PRE_STOP").describe(
      "Time after SIGTERM in which the origin still accepts requests, until the load balancer has noticed.",
    ),
    drainTimeoutMs: withDefault(v.duration("0s", "10m"), "30s", "DRAIN_TIMEOUT").describe(
      "Time after that in which requests in flight may finish.",
    ),
    authorities: required(v.authorities, "ORIGIN_AUTHORITIES").describe(
      "The hosts by which the edge addresses this origin; a signature for any other host is rejected.",
    ),
    guards: withDefault(v.oneOf("edge", "origin"), "edge", "GUARDS").describe(
      "The tier that guards: with `edge` the origin serves only requests that the edge signed; with `origin` it needs no edge.",
    ),
    clientAddressHeader: optional(v.fieldName, "CLIENT_ADDRESS_HEADER").describe(
      "With guards at the origin: the header field with the client's address, written by the gateway in front; its last value counts. Without it, the client is the peer of the connection.",
    ),
  }),
  observability: z.object({
    otlpEndpoint: optional(v.url("http", "https"), "OTEL_EXPORTER_OTLP_ENDPOINT", "OTLP_ENDPOINT").describe(
      "The OpenTelemetry collector, which receives spans, and security events as logs, by OTLP over HTTP (port 4318). Port 4317, of OTLP over gRPC, is replaced with 4318.",
    ),
    otlpHeaders: optional(v.headerList, "OTEL_EXPORTER_OTLP_HEADERS").describe(
      "Header fields that authenticate the origin to the collector, such as `authorization=Bearer%20…`.",
    ),
    serviceName: withDefault(v.line, "breakwater-origin", "OTEL_SERVICE_NAME").describe(
      "Service name in telemetry.",
    ),
    serviceVersion: withDefault(v.line, VERSION, "SERVICE_VERSION").describe("Service version in telemetry."),
    samplingRate: withDefault(v.fraction, "0.1", "OTEL_TRACES_SAMPLER_ARG").describe(
      "With guards at the origin: the share of traces that is kept. Otherwise the edge decides, with the same setting.",
    ),
    accessLog: withDefault(v.flag, "true", "ACCESS_LOG").describe("Whether each request is logged."),
    logLevel: withDefault(
      v.oneOf("trace", "debug", "info", "warn", "error", "fatal"),
      "info",
      "LOG_LEVEL",
      "RUST_LOG",
    ).describe("Minimum log level."),
  }),
  database: z.object({
    url: required(v.secretUrl("postgres", "postgresql"), "DATABASE_URL").describe("PostgreSQL."),
    maxConnections: withDefault(v.wholeNumber(1, 1_000), "20", "DATABASE_MAX_CONNECTIONS").describe(
      "Maximum number of connections of the whole origin, shared by its workers.",
    ),
    minConnections: withDefault(v.wholeNumber(0, 1_000), "0", "DATABASE_MIN_CONNECTIONS").describe(
      "Number of connections that stay open while idle.",
    ),
    connectTimeoutMs: withDefault(v.duration("10ms", "5m"), "5s", "DATABASE_CONNECT_TIMEOUT").describe(
      "Maximum wait for a connection, whether new or released by another request.",
    ),
    idleTimeoutMs: withDefault(v.duration("1s", "1d"), "60s", "DATABASE_IDLE_TIMEOUT").describe(
      "An idle connection is closed after this time.",
    ),
    slowStatementMs: withDefault(v.duration("0s", "10m"), "500ms", "DATABASE_SLOW_STATEMENT").describe(
      "A statement that takes longer is logged with its route.",
    ),
    preparedStatements: withDefault(v.flag, "true", "DATABASE_PREPARED_STATEMENTS").describe(
      "Whether named statements are prepared once per connection; false for a pooler that does not support it.",
    ),
    migrate: withDefault(v.oneOf("at-start", "apart"), "at-start", "DATABASE_MIGRATE").describe(
      "When migrations run: as the origin starts, or apart by `npm run migrate`, which the origin then waits for.",
    ),
  }),
  cache: z.object({
    ttlMs: withDefault(v.duration("0s", "30d"), "5m", "CACHE_TTL").describe(
      "How long a cacheable response is fresh, unless the contract sets its own time.",
    ),
    maxSize: withDefault(v.cacheSize, "1000", "CACHE_MAX_SIZE").describe(
      "Maximum size of each worker's cache in memory; a number of entries is limited to 64MiB as well.",
    ),
  }),
  redis: z.object({
    url: required(v.secretUrl("redis", "rediss", "https", "http"), "REDIS_URL").describe(
      "Redis, by its own protocol or by Upstash's over HTTP.",
    ),
    token: optional(v.secretLine, "REDIS_TOKEN").describe("The token for Redis over HTTP, required there."),
    keyPrefix: withDefault(v.line, "breakwater:", "REDIS_KEY_PREFIX").describe(
      "Prefix of every Redis key; the edge needs the same.",
    ),
  }),
  circuitBreaker: z.object({
    failureThreshold: withDefault(
      v.wholeNumber(1, 1_000_000),
      "5",
      "CIRCUIT_BREAKER_FAILURE_THRESHOLD",
    ).describe("Consecutive failures that open the breaker of PostgreSQL, or of Redis."),
    successThreshold: withDefault(v.wholeNumber(1, 1_000), "3", "CIRCUIT_BREAKER_SUCCESS_THRESHOLD").describe(
      "Consecutive successful probes that close it.",
    ),
    timeoutMs: withDefault(breakerTime, "1s", "CIRCUIT_BREAKER_TIMEOUT").describe(
      "Maximum time that it first stays open; each further time doubles it. The actual time is jittered below it.",
    ),
    halfOpenTimeoutMs: withDefault(breakerTime, "2s", "CIRCUIT_BREAKER_HALF_OPEN_TIMEOUT").describe(
      "Maximum duration of a probe of PostgreSQL; for Redis it is 2500ms.",
    ),
    maxTimeoutMs: withDefault(breakerTime, "2s", "CIRCUIT_BREAKER_MAX_TIMEOUT").describe(
      "Upper bound of `timeout` as it doubles.",
    ),
    minimumCalls: withDefault(v.wholeNumber(1, 1_000_000), "20", "CIRCUIT_BREAKER_MINIMUM_CALLS").describe(
      "The ratios apply only from this number of calls within ten seconds.",
    ),
    failureRatio: withDefault(v.ratio, "0.5", "CIRCUIT_BREAKER_FAILURE_RATIO").describe(
      "Share of failed calls that opens it.",
    ),
    slowCallMs: optional(breakerTime, "CIRCUIT_BREAKER_SLOW_CALL").describe(
      "A call that takes this long is slow; if not set, no call is.",
    ),
    slowRatio: withDefault(v.ratio, "0.8", "CIRCUIT_BREAKER_SLOW_RATIO").describe(
      "Share of slow calls that opens it.",
    ),
    rampMs: withDefault(v.duration("0s", "1h"), "1s", "CIRCUIT_BREAKER_RAMP").describe(
      "Time after closing in which it admits a growing share of the calls. Redis gets all of them at once.",
    ),
    rampFrom: withDefault(v.ratio, "0.1", "CIRCUIT_BREAKER_RAMP_FROM").describe("The first such share."),
  }),
  overload: z.object({
    initialLimit: withDefault(concurrency, "20", "OVERLOAD_INITIAL_LIMIT").describe(
      "Concurrent requests of each worker at the start, before the limit adapts.",
    ),
    minLimit: withDefault(concurrency, "8", "OVERLOAD_MIN_LIMIT").describe("Lower bound of that limit."),
    maxLimit: withDefault(concurrency, "1000", "OVERLOAD_MAX_LIMIT").describe("Upper bound of that limit."),
  }),
  security: z.object({
    rateLimits: withDefault(v.oneOf("enforce", "dry-run", "off"), "enforce", "RATE_LIMITS").describe(
      "With guards at the origin: how the contract's rate limits apply.",
    ),
    jwtIssuer: optional(v.line, "JWT_ISSUER").describe("With guards at the origin: required `iss`."),
    jwtAudience: optional(v.line, "JWT_AUDIENCE").describe("Required `aud`."),
    jwtJwksUrl: optional(v.url("https", "http"), "JWT_JWKS_URL").describe(
      "The issuer's key set, over HTTPS unless local.",
    ),
    autoBlock: withDefault(v.flag, "true", "AUTO_BLOCK").describe(
      "Whether repeat offenders are blocked for a time.",
    ),
    neverBlocked: optional(v.networks, "NEVER_BLOCKED").describe(
      "Addresses and ranges exempt from auto-blocking, such as those of an office or a monitor.",
    ),
    eventsOnStdout: withDefault(v.flag, "true", "SECURITY_EVENTS_ON_STDOUT").describe(
      "Whether security events are logged.",
    ),
    siemUrl: optional(v.secretUrl("http", "https"), "SIEM_URL").describe("Webhook for security events."),
    siemToken: optional(v.secretLine, "SIEM_TOKEN").describe("The origin's token for the webhook."),
    siemFormat: withDefault(v.oneOf("json", "splunk-hec"), "json", "SIEM_FORMAT").describe(
      "The webhook's format: a JSON array, or the objects of Splunk's HTTP Event Collector.",
    ),
  }),
  signingKeys: required(v.signingKeys, "SIGNING_KEYS").describe(
    "The keys between the tiers: the first signs, each verifies.",
  ),
});

type Parsed = z.infer<typeof sections>;
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
  readonly meaning: string;
  readonly isRequired: boolean;
}

const keyAt = (path: string, schema: z.ZodType): Key => {
  const about = details.get(schema);
  if (about === undefined) throw new Error(`${path} has no variable`);
  const file = path.replace(/Ms$/, "").replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  const isRequired = !schema.safeParse(undefined).success;
  return { ...about, path, file, meaning: schema.description ?? "", isRequired };
};

/** Every key, in the schema's order. */
export const allKeys: readonly Key[] = Object.entries(sections.shape).flatMap(([section, part]) =>
  part instanceof z.ZodObject
    ? Object.entries(part.shape).map(([name, schema]) => keyAt(`${section}.${name}`, schema))
    : [keyAt(section, part)],
);

/** What must hold between keys. */
interface Rule {
  /** The first is reported. All must be valid by themselves for the rule to apply. */
  readonly keys: readonly [string, ...string[]];
  /** @returns the end of a sentence that begins with the first key */
  readonly check: (values: Values) => string | false;
}

const TOKEN_KEYS = ["jwtIssuer", "jwtAudience", "jwtJwksUrl"] as const;

const RULES: readonly Rule[] = [
  ...TOKEN_KEYS.map(
    (name): Rule => ({
      keys: [`security.${name}`, ...TOKEN_KEYS.map((each) => `security.${each}`)],
      check: ({ security }) =>
        security[name] === undefined &&
        TOKEN_KEYS.some((each) => security[each] !== undefined) &&
        "is missing: security.jwt_issuer, security.jwt_audience and security.jwt_jwks_url belong together",
    }),
  ),
  {
    // Over plain HTTP, an attacker on the way could publish keys.
    keys: ["security.jwtJwksUrl"],
    check: ({ security: { jwtJwksUrl } }) =>
      jwtJwksUrl !== undefined &&
      !/^(https:|http:\/\/(127\.0\.0\.1|localhost|\[::1\])[:/])/.test(new URL(jwtJwksUrl).href) &&
      "must begin with https://, or be on this machine",
  },
  {
    keys: ["server.adminPort", "server.port"],
    check: ({ server: { port, adminPort } }) =>
      port !== 0 && adminPort === port && `must differ from server.port (${port})`,
  },
  {
    keys: ["database.minConnections", "database.maxConnections"],
    check: ({ database: { minConnections, maxConnections } }) =>
      minConnections > maxConnections && `must not exceed database.max_connections (${maxConnections})`,
  },
  {
    // A worker without a connection could not serve.
    keys: ["database.maxConnections", "server.workers"],
    check: ({ database: { maxConnections }, server: { workers } }) =>
      maxConnections < workers && `must be at least server.workers (${workers})`,
  },
  {
    keys: ["redis.token", "redis.url"],
    check: ({ redis }) =>
      redis.token === undefined && /^https?:/i.test(redis.url) && "is missing: Redis over HTTP needs one",
  },
  {
    keys: ["circuitBreaker.maxTimeoutMs", "circuitBreaker.timeoutMs"],
    check: ({ circuitBreaker: { timeoutMs, maxTimeoutMs } }) =>
      maxTimeoutMs < timeoutMs && `must be at least circuit_breaker.timeout (${timeoutMs}ms)`,
  },
  {
    keys: ["overload.initialLimit", "overload.minLimit", "overload.maxLimit"],
    check: ({ overload: { initialLimit, minLimit, maxLimit } }) =>
      (initialLimit < minLimit || initialLimit > maxLimit) &&
      `must be within overload.min_limit (${minLimit}) and overload.max_limit (${maxLimit})`,
  },
];

export const originSchema = sections.superRefine(
  (values, context) => {
    const invalid = new Set(context.issues.map(({ path }) => path?.join(".")));
    for (const { keys, check } of RULES) {
      const message = !keys.some((key) => invalid.has(key)) && check(values);
      if (message) context.addIssue({ code: "custom", path: keys[0].split("."), message });
    }
  },
  { when: () => true },
);
