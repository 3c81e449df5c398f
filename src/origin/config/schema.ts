/**
 * The origin's configuration as one zod schema. Messages, the printout, the documentation and the types derive from
 * it. A property's name is its key in the file in snake case: `server.preStopMs` is `server.pre_stop`.
 */
import * as z from "zod";
import { VERSION } from "../../lib/version.ts";
import type { GuardConfig } from "../../middleware/config.ts";
import * as v from "./values.ts";

/** Variables other than the one that follows from the key; the first that is set wins. */
const otherNames = z.registry<{ readonly variables: readonly string[] }>();

/** Their variables have the name of the key alone: `server.port` is PORT, but `cache.ttl` is CACHE_TTL. */
const UNPREFIXED: readonly string[] = ["server", "observability", "security"];

const optional = <T>(type: z.ZodType<T, string>, ...variables: readonly string[]) =>
  type.optional().register(otherNames, { variables });

/** @param text the default, as it would be written in the file */
const withDefault = <T>(type: z.ZodType<T, string>, text: string, ...variables: readonly string[]) =>
  type.prefault(text).register(otherNames, { variables });

const port = v.wholeNumber(0, 65_535);
const breakerTime = v.duration("1ms", "1h");
const concurrency = v.wholeNumber(1, 100_000);

/** Without the rules between keys. */
const sections = z.object({
  server: z.object({
    host: withDefault(v.listenAddress, "0.0.0.0").describe("The address of both ports."),
    port: withDefault(port, "8080").describe("The API's port; 0 picks a free one."),
    adminPort: withDefault(port, "9090").describe("The port of probes and metrics; 0 picks a free one."),
    workers: withDefault(v.wholeNumber(1, 64), "1").describe("Processes that share the API's port."),
    preStopMs: withDefault(v.duration("0s", "5m"), "5s").describe(
      "Time after SIGTERM in which the origin still accepts requests, until the load balancer has noticed.",
    ),
    drainTimeoutMs: withDefault(v.duration("0s", "10m"), "30s").describe(
      "Time after that in which requests in flight may finish.",
    ),
    authorities: v.authorities
      .register(otherNames, { variables: ["ORIGIN_AUTHORITIES"] })
      .describe(
        "The hosts by which the edge addresses this origin; a signature for any other host is rejected.",
      ),
    guards: withDefault(v.oneOf("edge", "origin"), "edge").describe(
      "The tier that guards: with `edge` the origin serves only requests that the edge signed; with `origin` it needs no edge.",
    ),
    clientAddressHeader: optional(v.fieldName).describe(
      "With guards at the origin: the header field with the client's address, written by the gateway in front; its last value counts. Without it, the client is the peer of the connection.",
    ),
  }),
  observability: z.object({
    otlpEndpoint: optional(v.url(["http", "https"]), "OTEL_EXPORTER_OTLP_ENDPOINT", "OTLP_ENDPOINT").describe(
      "The OpenTelemetry collector, which receives spans, and security events as logs, by OTLP over HTTP (port 4318). Port 4317, of OTLP over gRPC, is replaced with 4318.",
    ),
    otlpHeaders: optional(v.headerList, "OTEL_EXPORTER_OTLP_HEADERS").describe(
      "Header fields that authenticate the origin to the collector, such as `authorization=Bearer%20…`.",
    ),
    serviceName: withDefault(v.line, "breakwater-origin", "OTEL_SERVICE_NAME").describe(
      "Service name in telemetry.",
    ),
    serviceVersion: withDefault(v.line, VERSION).describe("Service version in telemetry."),
    samplingRate: withDefault(v.fraction, "0.1", "OTEL_TRACES_SAMPLER_ARG").describe(
      "With guards at the origin: the share of traces that is kept. Otherwise the edge decides, with the same setting.",
    ),
    accessLog: withDefault(v.flag, "true").describe("Whether each request is logged."),
    logLevel: withDefault(
      v.oneOf("trace", "debug", "info", "warn", "error", "fatal"),
      "info",
      "LOG_LEVEL",
      "RUST_LOG",
    ).describe("Minimum log level."),
  }),
  database: z.object({
    url: v.url(["postgres", "postgresql"], true).describe("PostgreSQL."),
    maxConnections: withDefault(v.wholeNumber(1, 1_000), "20").describe(
      "Maximum number of connections of the whole origin, shared by its workers.",
    ),
    minConnections: withDefault(v.wholeNumber(0, 1_000), "0").describe(
      "Number of connections that stay open while idle.",
    ),
    connectTimeoutMs: withDefault(v.duration("10ms", "5m"), "5s").describe(
      "Maximum wait for a connection, whether new or released by another request.",
    ),
    idleTimeoutMs: withDefault(v.duration("1s", "1d"), "60s").describe(
      "An idle connection is closed after this time.",
    ),
    slowStatementMs: withDefault(v.duration("0s", "10m"), "500ms").describe(
      "A statement that takes longer is logged with its route.",
    ),
    preparedStatements: withDefault(v.flag, "true").describe(
      "Whether named statements are prepared once per connection; false for a pooler that does not support it.",
    ),
    migrate: withDefault(v.oneOf("at-start", "apart"), "at-start").describe(
      "When migrations run: as the origin starts, or apart by `npm run migrate`, which the origin then waits for.",
    ),
  }),
  cache: z.object({
    ttlMs: withDefault(v.duration("0s", "30d"), "5m").describe(
      "How long a cacheable response is fresh, unless the contract sets its own time.",
    ),
    maxSize: withDefault(v.cacheSize, "1000").describe(
      "Maximum size of each worker's cache in memory; a number of entries is limited to 64MiB as well.",
    ),
  }),
  redis: z.object({
    url: v
      .url(["redis", "rediss", "https", "http"], true)
      .describe("Redis, by its own protocol or by Upstash's over HTTP."),
    token: optional(v.secretLine).describe("The token for Redis over HTTP, required there."),
    keyPrefix: withDefault(v.line, "breakwater:").describe(
      "Prefix of every Redis key; the edge needs the same.",
    ),
  }),
  circuitBreaker: z.object({
    failureThreshold: withDefault(v.wholeNumber(1, 1_000_000), "5").describe(
      "Consecutive failures that open the breaker of PostgreSQL, or of Redis.",
    ),
    successThreshold: withDefault(v.wholeNumber(1, 1_000), "3").describe(
      "Consecutive successful probes that close it.",
    ),
    timeoutMs: withDefault(breakerTime, "1s").describe(
      "Maximum time that it first stays open; each further time doubles it. The actual time is jittered below it.",
    ),
    halfOpenTimeoutMs: withDefault(breakerTime, "2s").describe(
      "Maximum duration of a probe of PostgreSQL; for Redis it is 2500ms.",
    ),
    maxTimeoutMs: withDefault(breakerTime, "2s").describe("Upper bound of `timeout` as it doubles."),
    minimumCalls: withDefault(v.wholeNumber(1, 1_000_000), "20").describe(
      "The ratios apply only from this number of calls within ten seconds.",
    ),
    failureRatio: withDefault(v.ratio, "0.5").describe("Share of failed calls that opens it."),
    slowCallMs: optional(breakerTime).describe(
      "A call that takes this long is slow; if not set, no call is.",
    ),
    slowRatio: withDefault(v.ratio, "0.8").describe("Share of slow calls that opens it."),
    rampMs: withDefault(v.duration("0s", "1h"), "1s").describe(
      "Time after closing in which it admits a growing share of the calls. Redis gets all of them at once.",
    ),
    rampFrom: withDefault(v.ratio, "0.1").describe("The first such share."),
  }),
  overload: z.object({
    initialLimit: withDefault(concurrency, "20").describe(
      "Concurrent requests of each worker at the start, before the limit adapts.",
    ),
    minLimit: withDefault(concurrency, "8").describe("Lower bound of that limit."),
    maxLimit: withDefault(concurrency, "1000").describe("Upper bound of that limit."),
  }),
  security: z.object({
    rateLimits: withDefault(v.oneOf("enforce", "dry-run", "off"), "enforce").describe(
      "With guards at the origin: how the contract's rate limits apply.",
    ),
    jwtIssuer: optional(v.line).describe("With guards at the origin: required `iss`."),
    jwtAudience: optional(v.line).describe("Required `aud`."),
    jwtJwksUrl: optional(v.url(["https", "http"])).describe("The issuer's key set, over HTTPS unless local."),
    autoBlock: withDefault(v.flag, "true").describe("Whether repeat offenders are blocked for a time."),
    neverBlocked: optional(v.networks).describe(
      "Addresses and ranges exempt from auto-blocking, such as those of an office or a monitor.",
    ),
    eventsOnStdout: withDefault(v.flag, "true", "SECURITY_EVENTS_ON_STDOUT").describe(
      "Whether security events are logged.",
    ),
    siemUrl: optional(v.url(["http", "https"], true)).describe("Webhook for security events."),
    siemToken: optional(v.secretLine).describe("The origin's token for the webhook."),
    siemFormat: withDefault(v.oneOf("json", "splunk-hec"), "json").describe(
      "The webhook's format: a JSON array, or the objects of Splunk's HTTP Event Collector.",
    ),
  }),
  signingKeys: v.signingKeys.describe("The keys between the tiers: the first signs, each verifies."),
});

type Parsed = z.infer<typeof sections>;
type Values = { readonly [Section in keyof Parsed]: Readonly<Parsed[Section]> };

/** A property that ends in `Ms` is in milliseconds. */
export interface OriginConfiguration extends Values {
  /** The settings of the shared guards, for an origin that mounts them itself. */
  readonly guards: GuardConfig;
}

export interface Key extends v.ValueDetails {
  /** In the schema, such as `server.adminPort`. */
  readonly path: string;
  /** In the file, such as `server.admin_port`. */
  readonly file: string;
  /** Environment variables; the first that is set wins. */
  readonly variables: readonly string[];
  readonly meaning: string;
  readonly isRequired: boolean;
  /** As it would be written in the file. */
  readonly default: string | undefined;
}

const keyAt = (path: string, schema: z.ZodType): Key => {
  const isWrapped = schema instanceof z.ZodPrefault || schema instanceof z.ZodOptional;
  const about = v.details.get(isWrapped ? schema.unwrap() : schema);
  if (about === undefined) throw new Error(`${path} has no type of values.ts`);
  const file = path.replace(/Ms$/, "").replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  const [section = "", ...name] = file.split(".");
  const { variables = [] } = otherNames.get(schema) ?? {};
  const ownName = (UNPREFIXED.includes(section) ? name : [section, ...name]).join("_").toUpperCase();
  return {
    ...about,
    path,
    file,
    variables: variables.length > 0 ? variables : [ownName],
    meaning: schema.description ?? "",
    isRequired: !isWrapped,
    default: schema instanceof z.ZodPrefault ? String(schema.def.defaultValue) : undefined,
  };
};

/** Every key, in the schema's order. */
export const allKeys: readonly Key[] = Object.entries(sections.shape).flatMap(([section, part]) =>
  part instanceof z.ZodObject
    ? Object.entries(part.shape).map(([name, schema]) => keyAt(`${section}.${name}`, schema))
    : [keyAt(section, part)],
);

const TOKEN_KEYS = ["jwtIssuer", "jwtAudience", "jwtJwksUrl"] as const;
const KEY_SET_URL = /^https:|^http:\/\/(127\.0\.0\.1|localhost|\[::1\])[:/]/i;

/** With the rules between keys, which apply even if other keys are wrong. */
export const originSchema = sections.superRefine(
  ({ server, database, redis, circuitBreaker, overload, security }, context) => {
    const invalid = new Set(context.issues.map(({ path }) => path?.join(".")));
    /** @param keys all must be valid by themselves; the first is reported */
    const refuseIf = (isBroken: boolean, message: string, ...keys: [string, ...string[]]): void => {
      if (!isBroken || keys.some((key) => invalid.has(key))) return;
      context.addIssue({ code: "custom", path: keys[0].split("."), message });
    };
    for (const name of TOKEN_KEYS) {
      refuseIf(
        security[name] === undefined && TOKEN_KEYS.some((each) => security[each] !== undefined),
        "is missing: security.jwt_issuer, security.jwt_audience and security.jwt_jwks_url belong together",
        `security.${name}`,
        ...TOKEN_KEYS.map((each) => `security.${each}`),
      );
    }
    // Over plain HTTP, an attacker on the way could publish keys.
    const isKeySetUrl = KEY_SET_URL.test(`${security.jwtJwksUrl ?? "https:"}/`);
    refuseIf(!isKeySetUrl, "must begin with https://, or be on this machine", "security.jwtJwksUrl");
    refuseIf(
      server.port !== 0 && server.adminPort === server.port,
      `must differ from server.port (${server.port})`,
      "server.adminPort",
      "server.port",
    );
    refuseIf(
      database.minConnections > database.maxConnections,
      `must not exceed database.max_connections (${database.maxConnections})`,
      "database.minConnections",
      "database.maxConnections",
    );
    // A worker without a connection could not serve.
    refuseIf(
      database.maxConnections < server.workers,
      `must be at least server.workers (${server.workers})`,
      "database.maxConnections",
      "server.workers",
    );
    refuseIf(
      redis.token === undefined && /^https?:/i.test(redis.url),
      "is missing: Redis over HTTP needs one",
      "redis.token",
      "redis.url",
    );
    refuseIf(
      circuitBreaker.maxTimeoutMs < circuitBreaker.timeoutMs,
      `must be at least circuit_breaker.timeout (${circuitBreaker.timeoutMs}ms)`,
      "circuitBreaker.maxTimeoutMs",
      "circuitBreaker.timeoutMs",
    );
    const { initialLimit, minLimit, maxLimit } = overload;
    refuseIf(
      initialLimit < minLimit || initialLimit > maxLimit,
      `must be within overload.min_limit (${minLimit}) and overload.max_limit (${maxLimit})`,
      "overload.initialLimit",
      "overload.minLimit",
      "overload.maxLimit",
    );
  },
  { when: () => true },
);
