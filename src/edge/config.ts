/** The edge's configuration: `wrangler.toml` vars and secrets. */
import { DEFAULT_TIMEOUT_MS } from "../contract/policy.ts";
import {
  listVariable,
  numberVariable,
  optional,
  readConfiguration,
  readVariable,
  shareVariable,
  textThat,
  textVariable,
  urlVariable,
  type ValuesOf,
  withDefault,
  wordVariable,
} from "../lib/variables.ts";
import { VERSION } from "../lib/version.ts";
import { GUARD_VARIABLES } from "../middleware/config.ts";
import { signingKeysVariable } from "../middleware/signature/signing-keys.ts";
import type { BreakerOptions } from "../resilience/circuit-breaker/circuit-breaker.ts";
import { readHeaderList } from "../telemetry/collector.ts";

/** An origin: its address without a trailing slash, and the authority by which signatures name it. */
export interface OriginAddress {
  readonly url: string;
  readonly authority: string;
  /** Of two that are equally good one of weight 2 gets twice as much. */
  readonly weight: number;
}

/** An address, and its weight where it has one: `https://origin.example.com;weight=2`. */
const parseOrigin = (text: string): OriginAddress | undefined => {
  const [, address = "", weight = "1"] = /^([^;]+)(?:;weight=([1-9]\d{0,3}))?$/.exec(text) ?? [];
  if (!URL.canParse(address)) return undefined;
  const { protocol, origin, host, pathname, search } = new URL(address);
  const isBare = pathname === "/" && search === "";
  return /^https?:$/.test(protocol) && isBare
    ? { url: origin, authority: host, weight: Number(weight) }
    : undefined;
};

/**
 * An origin's breaker by default. A probe is settled by its own end, at the latest by its route's deadline;
 * the lease is for one whose end is never seen, because the platform has ended its work. It is as long as a route takes unless
 * its contract says otherwise: a probe that takes longer does no harm, another one takes its place.
 */
export const ORIGIN_BREAKER = {
  failureThreshold: 5,
  successThreshold: 3,
  timeoutMs: 500,
  halfOpenTimeoutMs: DEFAULT_TIMEOUT_MS,
} as const satisfies BreakerOptions;

/** Of a hundred requests so many may be made again, or sent a second time at once, where nothing is set. */
export const RETRY_PERCENT = 20;
export const HEDGE_PERCENT = 5;

/** Such a share of traces is kept where nothing is set. */
export const SAMPLING_RATE = 0.1;

/** So often an isolate's metrics are sent, milliseconds, where nothing is set. */
const METRIC_INTERVAL_MS = 10_000;

const HOUR_MS = 3_600_000;

const JWT_VARIABLES = ["JWT_ISSUER", "JWT_AUDIENCE", "JWT_JWKS_URL"] as const;

const withoutPart = "is missing: JWT_ISSUER, JWT_AUDIENCE and JWT_JWKS_URL belong together";

const VARIABLES = {
  ORIGINS: listVariable(
    parseOrigin,
    "addresses such as https://origin.example.com or https://origin.example.com;weight=2, without a path",
  ),
  SIGNING_KEYS: signingKeysVariable(),
  UPSTASH_REDIS_REST_URL: urlVariable(["https", "http"]),
  UPSTASH_REDIS_REST_TOKEN: textVariable(),
  REDIS_KEY_PREFIX: withDefault(textVariable(), "breakwater:"),
  REDIS_SCRIPT_FLAGS: optional(
    textThat((text) => /^[a-z-]+(?:,[a-z-]+)*$/.test(text), "must be flags such as allow-key-locking"),
  ),
  ...GUARD_VARIABLES,
  CIRCUIT_BREAKER_FAILURE_THRESHOLD: withDefault(
    numberVariable(1, 1_000_000),
    ORIGIN_BREAKER.failureThreshold,
  ),
  CIRCUIT_BREAKER_SUCCESS_THRESHOLD: withDefault(numberVariable(1, 1_000), ORIGIN_BREAKER.successThreshold),
  CIRCUIT_BREAKER_TIMEOUT_MS: withDefault(numberVariable(1, HOUR_MS), ORIGIN_BREAKER.timeoutMs),
  CIRCUIT_BREAKER_HALF_OPEN_TIMEOUT_MS: withDefault(
    numberVariable(1, HOUR_MS),
    ORIGIN_BREAKER.halfOpenTimeoutMs,
  ),
  RETRY_BUDGET_PERCENT: withDefault(numberVariable(0, 100), RETRY_PERCENT),
  HEDGE_BUDGET_PERCENT: withDefault(numberVariable(0, 100), HEDGE_PERCENT),
  OTEL_EXPORTER_OTLP_ENDPOINT: optional(urlVariable(["https", "http"])),
  OTEL_EXPORTER_OTLP_HEADERS: optional(
    readVariable(readHeaderList, "must be header fields such as authorization=Bearer%20TOKEN"),
  ),
  OTEL_SERVICE_NAME: withDefault(textVariable(), "breakwater-edge"),
  SERVICE_VERSION: withDefault(textVariable(), VERSION),
  OTEL_TRACES_SAMPLER_ARG: withDefault(shareVariable(), SAMPLING_RATE),
  OTEL_METRIC_EXPORT_INTERVAL: withDefault(numberVariable(1_000, HOUR_MS), METRIC_INTERVAL_MS),
  ACCESS_LOG: withDefault(wordVariable(["true", "all", "false"]), "true"),
};

export type EdgeConfig = ValuesOf<typeof VARIABLES>;

/** All of what tells of tokens, or nothing. */
const missingOfTokens = (configuration: EdgeConfig): readonly string[] => {
  const missing = JWT_VARIABLES.filter((name) => configuration[name] === undefined);
  return missing.length === JWT_VARIABLES.length ? [] : missing.map((name) => `${name} ${withoutPart}`);
};

/** What each origin's breaker is made of. */
export const originBreaker = (configuration: EdgeConfig): BreakerOptions => ({
  failureThreshold: configuration.CIRCUIT_BREAKER_FAILURE_THRESHOLD,
  successThreshold: configuration.CIRCUIT_BREAKER_SUCCESS_THRESHOLD,
  timeoutMs: configuration.CIRCUIT_BREAKER_TIMEOUT_MS,
  halfOpenTimeoutMs: configuration.CIRCUIT_BREAKER_HALF_OPEN_TIMEOUT_MS,
});

export const readEdgeConfig = (environment: Readonly<Record<string, unknown>>) =>
  readConfiguration(VARIABLES, environment, missingOfTokens);
