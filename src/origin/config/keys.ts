/**
 * The table of the origin's configuration. Reading, messages, the printout, the documentation and the type
 * of the result all derive from it.
 */

import { VERSION } from "../../lib/version.ts";
import { optional, required, withDefault } from "./key.ts";
import * as kind from "./kind.ts";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const GIB = 1024 ** 3;

const port = kind.wholeNumber(0, 65_535);

export const keys = {
  server: {
    host: withDefault(kind.listenAddress, "0.0.0.0", {
      file: "server.host",
      variable: "HOST",
      meaning: "Where both ports listen.",
    }),
    port: withDefault(port, "8080", {
      file: "server.port",
      variable: "PORT",
      meaning: "The API's port; 0 takes a free one.",
    }),
    adminPort: withDefault(port, "9090", {
      file: "server.admin_port",
      variable: "ADMIN_PORT",
      meaning: "The port of probes and metrics; 0 takes a free one.",
    }),
    workers: withDefault(kind.wholeNumber(1, 64), "1", {
      file: "server.workers",
      variable: "WORKERS",
      meaning: "Processes that share the API's port.",
    }),
    preStopMs: withDefault(kind.duration(0, 5 * MINUTE), "5s", {
      file: "server.pre_stop",
      variable: "PRE_STOP",
      meaning: "How long the origin goes on accepting after SIGTERM, until the load balancer has noticed.",
    }),
    drainTimeoutMs: withDefault(kind.duration(0, 10 * MINUTE), "30s", {
      file: "server.drain_timeout",
      variable: "DRAIN_TIMEOUT",
      meaning: "How long requests in flight have after that.",
    }),
    authorities: required(kind.authorities, {
      file: "server.authorities",
      variable: "ORIGIN_AUTHORITIES",
      meaning: "The hosts by which the edge addresses this origin; a signature for another one is refused.",
    }),
    guards: withDefault(kind.oneOf("edge", "origin"), "edge", {
      file: "server.guards",
      variable: "GUARDS",
      meaning:
        "Who guards: the edge, so that nothing is served but what it has signed, or this origin itself, without an edge.",
    }),
    clientAddressHeader: optional(kind.fieldName, {
      file: "server.client_address_header",
      variable: "CLIENT_ADDRESS_HEADER",
      meaning:
        "Where the origin guards: the header field in which the gateway in front writes the client's address; the last one in it counts. Without it the client is who connects.",
    }),
  },
  observability: {
    otlpEndpoint: optional(kind.url("http", "https"), {
      file: "observability.otlp_endpoint",
      variable: "OTEL_EXPORTER_OTLP_ENDPOINT",
      alsoVariable: "OTLP_ENDPOINT",
      meaning:
        "The OpenTelemetry collector, by OTLP over HTTP (port 4318): spans go there, and security events as logs. Where it is named by port 4317, that of OTLP over gRPC, port 4318 of the same host is used.",
    }),
    otlpHeaders: optional(kind.headerList, {
      file: "observability.otlp_headers",
      variable: "OTEL_EXPORTER_OTLP_HEADERS",
      meaning: "Header fields by which the collector knows the origin, such as `authorization=Bearer%20…`.",
    }),
    serviceName: withDefault(kind.line, "breakwater-origin", {
      file: "observability.service_name",
      variable: "OTEL_SERVICE_NAME",
      meaning: "By what name telemetry calls the origin.",
    }),
    serviceVersion: withDefault(kind.line, VERSION, {
      file: "observability.service_version",
      variable: "SERVICE_VERSION",
      meaning: "By what version telemetry calls it.",
    }),
    samplingRate: withDefault(kind.fraction, "0.1", {
      file: "observability.sampling_rate",
      variable: "OTEL_TRACES_SAMPLER_ARG",
      meaning:
        "Where the origin guards: the share of traces that is kept. Behind the edge it follows the edge, which has the same setting.",
    }),
    accessLog: withDefault(kind.flag, "true", {
      file: "observability.access_log",
      variable: "ACCESS_LOG",
      meaning: "Whether each request leaves a line in the log.",
    }),
    logLevel: withDefault(kind.oneOf("trace", "debug", "info", "warn", "error", "fatal"), "info", {
      file: "observability.log_level",
      variable: "LOG_LEVEL",
      alsoVariable: "RUST_LOG",
      meaning: "From which level on the log is written.",
    }),
  },
  database: {
    url: required(kind.secretUrl("postgres", "postgresql"), {
      file: "database.url",
      variable: "DATABASE_URL",
      meaning: "PostgreSQL.",
    }),
    maxConnections: withDefault(kind.wholeNumber(1, 1_000), "20", {
      file: "database.max_connections",
      variable: "DATABASE_MAX_CONNECTIONS",
      meaning: "Connections of the whole origin at most; its workers share them.",
    }),
    minConnections: withDefault(kind.wholeNumber(0, 1_000), "0", {
      file: "database.min_connections",
      variable: "DATABASE_MIN_CONNECTIONS",
      meaning: "Connections that are kept although idle.",
    }),
    connectTimeoutMs: withDefault(kind.duration(10, 5 * MINUTE), "5s", {
      file: "database.connect_timeout",
      variable: "DATABASE_CONNECT_TIMEOUT",
      meaning: "How long a connection is waited for, to be made or to come free.",
    }),
    idleTimeoutMs: withDefault(kind.duration(SECOND, DAY), "60s", {
      file: "database.idle_timeout",
      variable: "DATABASE_IDLE_TIMEOUT",
      meaning: "After how long an idle connection is closed.",
    }),
    slowStatementMs: withDefault(kind.duration(0, 10 * MINUTE), "500ms", {
      file: "database.slow_statement",
      variable: "DATABASE_SLOW_STATEMENT",
      meaning: "A statement that takes longer is logged with its route.",
    }),
    preparedStatements: withDefault(kind.flag, "true", {
      file: "database.prepared_statements",
      variable: "DATABASE_PREPARED_STATEMENTS",
      meaning: "Named statements are prepared once a connection; false for a pooler that does not keep them.",
    }),
    migrate: withDefault(kind.oneOf("at-start", "apart"), "at-start", {
      file: "database.migrate",
      variable: "DATABASE_MIGRATE",
      meaning: "Who migrates: the origin at its start, or `npm run migrate`, for which it then waits.",
    }),
  },
  cache: {
    ttlMs: withDefault(kind.duration(0, 30 * DAY), "5m", {
      file: "cache.ttl",
      variable: "CACHE_TTL",
      meaning: "How long a cacheable answer is fresh where the contract does not say.",
    }),
    maxSize: withDefault(kind.cacheSize(1_000_000, 64 * GIB), "1000", {
      file: "cache.max_size",
      variable: "CACHE_MAX_SIZE",
      meaning:
        "What each worker's cache holds in memory at most; a number of entries takes 64MiB at most, too.",
    }),
  },
  redis: {
    url: required(kind.secretUrl("redis", "rediss", "https", "http"), {
      file: "redis.url",
      variable: "REDIS_URL",
      meaning: "Redis, by its own protocol or by Upstash's over HTTP.",
    }),
    token: optional(kind.secretLine, {
      file: "redis.token",
      variable: "REDIS_TOKEN",
      meaning: "For Redis over HTTP, and required there.",
    }),
    keyPrefix: withDefault(kind.line, "breakwater:", {
      file: "redis.key_prefix",
      variable: "REDIS_KEY_PREFIX",
      meaning: "With what every key in Redis begins; the edge needs the same.",
    }),
  },
  circuitBreaker: {
    failureThreshold: withDefault(kind.wholeNumber(1, 1_000_000), "5", {
      file: "circuit_breaker.failure_threshold",
      variable: "CIRCUIT_BREAKER_FAILURE_THRESHOLD",
      meaning: "So many failures one after another open the breaker of PostgreSQL, or of Redis.",
    }),
    successThreshold: withDefault(kind.wholeNumber(1, 1_000), "3", {
      file: "circuit_breaker.success_threshold",
      variable: "CIRCUIT_BREAKER_SUCCESS_THRESHOLD",
      meaning: "So many calls must succeed, one at a time, before it closes.",
    }),
    timeoutMs: withDefault(kind.duration(1, HOUR), "1s", {
      file: "circuit_breaker.timeout",
      variable: "CIRCUIT_BREAKER_TIMEOUT",
      meaning:
        "How long it stays open at most at first; twice that each further time. Chance takes a part of it.",
    }),
    halfOpenTimeoutMs: withDefault(kind.duration(1, HOUR), "2s", {
      file: "circuit_breaker.half_open_timeout",
      variable: "CIRCUIT_BREAKER_HALF_OPEN_TIMEOUT",
      meaning: "How long a call may take that tries whether PostgreSQL is back; for Redis it is 2500ms.",
    }),
    maxTimeoutMs: withDefault(kind.duration(1, HOUR), "2s", {
      file: "circuit_breaker.max_timeout",
      variable: "CIRCUIT_BREAKER_MAX_TIMEOUT",
      meaning: "It never stays open longer at a time.",
    }),
    minimumCalls: withDefault(kind.wholeNumber(1, 1_000_000), "20", {
      file: "circuit_breaker.minimum_calls",
      variable: "CIRCUIT_BREAKER_MINIMUM_CALLS",
      meaning: "With fewer calls within ten seconds a ratio says nothing.",
    }),
    failureRatio: withDefault(kind.share, "0.5", {
      file: "circuit_breaker.failure_ratio",
      variable: "CIRCUIT_BREAKER_FAILURE_RATIO",
      meaning: "This share of failures opens it.",
    }),
    slowCallMs: optional(kind.duration(1, HOUR), {
      file: "circuit_breaker.slow_call",
      variable: "CIRCUIT_BREAKER_SLOW_CALL",
      meaning: "A call that takes so long is slow; none is where this is not set.",
    }),
    slowRatio: withDefault(kind.share, "0.8", {
      file: "circuit_breaker.slow_ratio",
      variable: "CIRCUIT_BREAKER_SLOW_RATIO",
      meaning: "This share of slow calls opens it.",
    }),
    rampMs: withDefault(kind.duration(0, HOUR), "1s", {
      file: "circuit_breaker.ramp",
      variable: "CIRCUIT_BREAKER_RAMP",
      meaning:
        "For so long after closing it lets only a growing share of the calls through. Redis gets all at once.",
    }),
    rampFrom: withDefault(kind.share, "0.1", {
      file: "circuit_breaker.ramp_from",
      variable: "CIRCUIT_BREAKER_RAMP_FROM",
      meaning: "With which share that begins.",
    }),
  },
  overload: {
    initialLimit: withDefault(kind.wholeNumber(1, 100_000), "20", {
      file: "overload.initial_limit",
      variable: "OVERLOAD_INITIAL_LIMIT",
      meaning: "How many requests each worker works on at once before it has found out how many it can.",
    }),
    minLimit: withDefault(kind.wholeNumber(1, 100_000), "8", {
      file: "overload.min_limit",
      variable: "OVERLOAD_MIN_LIMIT",
      meaning: "It never works on fewer, however long they take.",
    }),
    maxLimit: withDefault(kind.wholeNumber(1, 100_000), "1000", {
      file: "overload.max_limit",
      variable: "OVERLOAD_MAX_LIMIT",
      meaning: "It never works on more at once.",
    }),
  },
  security: {
    rateLimits: withDefault(kind.oneOf("enforce", "dry-run", "off"), "enforce", {
      file: "security.rate_limits",
      variable: "RATE_LIMITS",
      meaning: "Where the origin guards: what becomes of the contract's limits.",
    }),
    jwtIssuer: optional(kind.line, {
      file: "security.jwt_issuer",
      variable: "JWT_ISSUER",
      meaning: "Where the origin guards: whose access tokens are taken, as it stands in `iss`.",
    }),
    jwtAudience: optional(kind.line, {
      file: "security.jwt_audience",
      variable: "JWT_AUDIENCE",
      meaning: "For whom they have to be: what stands in `aud`.",
    }),
    jwtJwksUrl: optional(kind.url("https", "http"), {
      file: "security.jwt_jwks_url",
      variable: "JWT_JWKS_URL",
      meaning: "Where the issuer publishes its keys; over HTTPS but on the same machine.",
    }),
    autoBlock: withDefault(kind.flag, "true", {
      file: "security.auto_block",
      variable: "AUTO_BLOCK",
      meaning: "Whether clients that offend again and again are blocked for a time.",
    }),
    neverBlocked: optional(kind.networks, {
      file: "security.never_blocked",
      variable: "NEVER_BLOCKED",
      meaning: "Whom that never does: addresses and ranges, such as those of an office or a monitor.",
    }),
    eventsOnStdout: withDefault(kind.flag, "true", {
      file: "security.events_on_stdout",
      variable: "SECURITY_EVENTS_ON_STDOUT",
      meaning: "Whether security events are lines of the log too.",
    }),
    siemUrl: optional(kind.secretUrl("http", "https"), {
      file: "security.siem_url",
      variable: "SIEM_URL",
      meaning: "Where security events are posted to.",
    }),
    siemToken: optional(kind.secretLine, {
      file: "security.siem_token",
      variable: "SIEM_TOKEN",
      meaning: "By what the webhook knows the origin.",
    }),
    siemFormat: withDefault(kind.oneOf("json", "splunk-hec"), "json", {
      file: "security.siem_format",
      variable: "SIEM_FORMAT",
      meaning: "What the webhook takes: a JSON array, or Splunk's HTTP Event Collector's objects.",
    }),
  },
  signingKeys: required(kind.signingKeys, {
    file: "signing_keys",
    variable: "SIGNING_KEYS",
    meaning: "The keys between the tiers: the first signs, each is believed.",
  }),
} as const;
