/** A route's policy, enforced by both tiers. Durations are text such as `500ms`, `15s` or `5m`; sizes are bytes. */
import type { Duration } from "./duration.ts";

/** Who may call: any client, or a principal with all of these scopes. */
export type Auth = "public" | { readonly scopes: readonly [string, ...string[]] };

/** No route requires it. Its holder may request debug header fields. */
export const OPERATOR_SCOPE = "operator";

/** Sites whose pages may call the route from a browser (Fetch Standard, "CORS protocol"). */
export interface Cors {
  /** Exact origins such as `https://shop.example`, or `"*"` for any site. */
  readonly origins: "*" | readonly [string, ...string[]];
}

/**
 * A named token bucket. Routes with the same name share it, and agree in everything but `cost` and `dryRun`.
 * In any window W it admits at most capacity + refillPerSecond × (W + τ), where τ is the longest lease of an
 * isolate, or 0 if strict.
 */
export interface Limit {
  /** Lower-case letters, digits, hyphens; visible to clients. */
  readonly name: string;
  /** Tokens that may be taken at once. */
  readonly capacity: number;
  readonly refillPerSecond: number;
  /** `principal` is for routes with scopes. A client is an IPv4 address, or an IPv6 /64. */
  readonly per: "client" | "principal";
  /** Tokens per request: a whole number, at most the capacity. @default 1 */
  readonly cost?: number;
  /** Exact, at one round trip per request or, under load, per few requests, instead of leased. @default false */
  readonly strict?: boolean;
  /** While the store is down: each isolate's own bucket decides, or all are admitted, or all get 503. */
  readonly onStoreFailure: "local" | "open" | "closed";
  /** Counts and reports, but rejects nothing. @default false */
  readonly dryRun?: boolean;
}

export const costOf = ({ cost = 1 }: Limit): number => cost;

/** Cache windows, whole seconds. */
export interface Cache {
  /** @default the origin's `cache.ttl` */
  readonly fresh?: Duration;
  /** RFC 5861 §3. @default none */
  readonly staleWhileRevalidate?: Duration;
  /** RFC 5861 §4. @default none */
  readonly staleIfError?: Duration;
  /** Names for invalidation by writes: `products`, or `products/:id` with the path's parameter. */
  readonly tags?: readonly string[];
}

/**
 * `safe`: GET and HEAD. `idempotent`: PUT and DELETE. `with-key`: POST with an Idempotency-Key, which the
 * origin executes once; the same key gets the same response.
 */
export type Retry = "safe" | "idempotent" | "with-key" | "never";

/** Under overload, background work is shed first, then reads, then writes. */
export type Priority = "write" | "read" | "background";

export type Policy = CommonPolicy & (PublicPolicy | ScopedPolicy);

export interface PublicPolicy {
  readonly auth: "public";
  /** @default responses are not stored */
  readonly cache?: Cache;
}

export interface ScopedPolicy {
  readonly auth: Exclude<Auth, "public">;
  /** A cache's response is for every client. */
  readonly cache?: never;
}

export interface CommonPolicy {
  /** @default none */
  readonly cors?: Cors;
  /** @default none */
  readonly limit?: readonly Limit[];
  /**
   * Largest request body, bytes; at most 10 MiB. @default 65,536; without a body's schema 1,024, which are
   * ignored, or 0 for a GET
   */
  readonly maxBody?: number;
  /** @default "safe" for GET, "never" for every other method */
  readonly retry?: Retry;
  /** The request's deadline, at most `5m`. @default "10s" */
  readonly timeout?: Duration;
  /**
   * Requests of the route that a process of the origin works on at once; others wait briefly, then get 503. So one route
   * cannot take all database connections. Cached responses do not count. @default only the whole process is limited
   */
  readonly maxConcurrent?: number;
  /** @default "read" for GET, "write" for every other method */
  readonly priority?: Priority;
  /** Whether each access is reported as a `data_access` event. @default false */
  readonly sensitive?: boolean;
}

export const LIMIT_BOUNDS = {
  capacity: 1_000_000_000,
  refillPerSecond: 1_000_000,
  /** Time in which an empty bucket refills: a year, after which Redis drops it. */
  windowS: 31_536_000,
} as const;

/** A year. */
export const MAX_CACHE_S = 31_536_000;
export const DEFAULT_MAX_BODY_BYTES = 64 * 1024;
/** Many clients send `{}` or nothing alike. */
export const IGNORED_BODY_BYTES = 1_024;
export const MAX_BODY_BYTES = 10 * 1024 * 1024;
export const DEFAULT_TIMEOUT_MS = 10_000;
export const MAX_CONCURRENT = 10_000;
export const MAX_TIMEOUT_MS = 5 * 60_000;
