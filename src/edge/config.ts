/** The edge's configuration: `wrangler.toml` vars and secrets. */
import { DEFAULT_TIMEOUT_MS } from "../contract/policy.ts";
import * as v from "../lib/variables.ts";
import { VERSION } from "../lib/version.ts";
import { GUARD_VARIABLES } from "../middleware/config.ts";
import { signingKeys, webCryptoHmac } from "../middleware/signature/signing-keys.ts";
import type { BreakerOptions } from "../resilience/circuit-breaker/circuit-breaker.ts";
import { readHeaderList } from "../telemetry/collector.ts";
import { resourceAttributes, type Service } from "../telemetry/resource.ts";

export interface OriginAddress {
  /** Without a trailing slash. */
  readonly url: string;
  /** The authority by which signatures name the origin. */
  readonly authority: string;
  /** An origin of weight 2 gets twice as many requests as an equally good one of weight 1. */
  readonly weight: number;
}

/** An address, optionally with a weight: `https://origin.example.com;weight=2`. */
const parseOrigin = (text: string): OriginAddress | undefined => {
  const [, address = "", weight = "1"] = /^([^;]+)(?:;weight=([1-9]\d{0,3}))?$/.exec(text) ?? [];
  const url = v.parseUrl(address);
  if (url === undefined || !v.isFetchable(url)) return undefined;
  const { origin, host, pathname, search } = url;
  return pathname === "/" && search === ""
    ? { url: origin, authority: host, weight: Number(weight) }
    : undefined;
};

/**
 * The defaults of an origin's breaker. The half-open timeout is the lease of a probe whose end is never seen,
 * because the platform has ended the isolate; it equals the default timeout of a route.
 */
export const ORIGIN_BREAKER = {
  failureThreshold: 5,
  successThreshold: 3,
  timeoutMs: 500,
  halfOpenTimeoutMs: DEFAULT_TIMEOUT_MS,
} as const satisfies BreakerOptions;

/** Defaults: retries and hedges per hundred requests. */
export const RETRY_PERCENT = 20;
export const HEDGE_PERCENT = 5;

const HOUR_MS = 3_600_000;

const origins = v.list(
  "addresses such as https://origin.example.com or https://origin.example.com;weight=2, without a path",
  parseOrigin,
);
const headerList = v.parsed("header fields such as authorization=Bearer%20TOKEN", readHeaderList);
const scriptFlags = v.matching("flags such as allow-key-locking", /^[a-z-]+(?:,[a-z-]+)*$/);
const failureThreshold = v.wholeNumber(1, 1_000_000);
const successThreshold = v.wholeNumber(1, 1_000);
const breakerMs = v.wholeNumber(1, HOUR_MS);
const percent = v.wholeNumber(0, 100);
/** Of the platform: the uploaded version that runs. */
const versionMetadata = v.object({ id: v.line });

const VARIABLES = {
  ORIGINS: origins,
  SIGNING_KEYS: signingKeys(webCryptoHmac),
  UPSTASH_REDIS_REST_URL: v.httpUrl(),
  UPSTASH_REDIS_REST_TOKEN: v.line,
  REDIS_KEY_PREFIX: v.withDefault(v.line, "breakwater:"),
  REDIS_SCRIPT_FLAGS: v.optional(scriptFlags),
  ...GUARD_VARIABLES,
  CIRCUIT_BREAKER_FAILURE_THRESHOLD: v.withDefault(failureThreshold, ORIGIN_BREAKER.failureThreshold),
  CIRCUIT_BREAKER_SUCCESS_THRESHOLD: v.withDefault(successThreshold, ORIGIN_BREAKER.successThreshold),
  CIRCUIT_BREAKER_TIMEOUT_MS: v.withDefault(breakerMs, ORIGIN_BREAKER.timeoutMs),
  CIRCUIT_BREAKER_HALF_OPEN_TIMEOUT_MS: v.withDefault(breakerMs, ORIGIN_BREAKER.halfOpenTimeoutMs),
  RETRY_BUDGET_PERCENT: v.withDefault(percent, RETRY_PERCENT),
  HEDGE_BUDGET_PERCENT: v.withDefault(percent, HEDGE_PERCENT),
  OTEL_EXPORTER_OTLP_ENDPOINT: v.optional(v.httpUrl()),
  OTEL_EXPORTER_OTLP_HEADERS: v.optional(headerList),
  OTEL_RESOURCE_ATTRIBUTES: v.optional(resourceAttributes),
  OTEL_SERVICE_NAME: v.optional(v.line),
  SERVICE_VERSION: v.optional(v.line),
  CF_VERSION_METADATA: v.optional(versionMetadata),
  OTEL_TRACES_SAMPLER_ARG: v.withDefault(v.fraction, 0.1),
  OTEL_METRIC_EXPORT_INTERVAL: v.withDefault(v.wholeNumber(1_000, HOUR_MS), 10_000),
  ACCESS_LOG: v.withDefault(v.oneOf("true", "all", "false"), "true"),
};

export type EdgeConfig = v.ValuesOf<typeof VARIABLES>;

export const edgeService = (config: EdgeConfig): Service => {
  const { OTEL_RESOURCE_ATTRIBUTES: attributes = {} } = config;
  return {
    resourceAttributes: attributes,
    serviceName: config.OTEL_SERVICE_NAME ?? attributes["service.name"] ?? "breakwater-edge",
    serviceVersion:
      config.SERVICE_VERSION ?? attributes["service.version"] ?? config.CF_VERSION_METADATA?.id ?? VERSION,
  };
};

/** The breaker's options of each origin. */
export const originBreaker = (config: EdgeConfig): BreakerOptions => ({
  failureThreshold: config.CIRCUIT_BREAKER_FAILURE_THRESHOLD,
  successThreshold: config.CIRCUIT_BREAKER_SUCCESS_THRESHOLD,
  timeoutMs: config.CIRCUIT_BREAKER_TIMEOUT_MS,
  halfOpenTimeoutMs: config.CIRCUIT_BREAKER_HALF_OPEN_TIMEOUT_MS,
});

const JWT_VARIABLES = ["JWT_ISSUER", "JWT_AUDIENCE", "JWT_JWKS_URL"] as const;

/** All settings of tokens are needed, or none. */
const missingJwtSettings = (config: EdgeConfig): readonly string[] => {
  const missing = JWT_VARIABLES.filter((name) => config[name] === undefined);
  const why = "is missing: JWT_ISSUER, JWT_AUDIENCE and JWT_JWKS_URL belong together";
  return missing.length === JWT_VARIABLES.length ? [] : missing.map((name) => `${name} ${why}`);
};

export const readEdgeConfig = (environment: Readonly<Record<string, unknown>>) =>
  v.readConfiguration(VARIABLES, environment, missingJwtSettings);
