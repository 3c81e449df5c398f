/**
 * A route's policy: what the edge enforces before a request costs the origin anything, and what the origin keeps to while
 * serving it. Times are milliseconds, sizes bytes, cache windows seconds (as in `Cache-Control`).
 */

/** Who may call: any client, or a principal with all of these scopes. */
export type Auth = "public" | { readonly scopes: readonly [string, ...string[]] };

/** No route asks for it: its holder may ask how the system came to a response. */
export const OPERATOR_SCOPE = "operator";

/** Sites whose pages may call the route from a browser (Fetch Standard, "CORS protocol"). */
export interface Cors {
  /** Exact origins such as `https://shop.example`, or `"*"` for any site. */
  readonly origins: "*" | readonly [string, ...string[]];
}

/**
 * A named token bucket. Routes that name the same one share it, and agree in everything but `cost` and `dryRun`. In any
 * window W it admits at most capacity + refillPerSecond × (W + τ), where τ is how long an isolate may live on tokens
 * that it has taken; where it is strict, without τ.
 */
export interface Limit {
  /** Lower-case letters, digits, hyphens. Clients see it. */
  readonly name: string;
  /** Tokens that may be taken at once. */
  readonly capacity: number;
  readonly refillPerSecond: number;
  /** `principal`: per client if the request has none. A client is an IPv4 address, or the /64 of an IPv6 address. */
  readonly per: "client" | "principal";
  /** Tokens that one request takes: a whole number, at most the capacity. @default 1 */
  readonly cost?: number;
  /** Exact, at one round trip per request, instead of leased. @default false */
  readonly strict?: boolean;
  /** While the store does not answer: each isolate's own bucket decides, or all are admitted, or all get 503. */
  readonly onStoreFailure: "local" | "open" | "closed";
  /** It counts and reports, and rejects nothing. @default false */
  readonly dryRun?: boolean;
}

export const costOf = ({ cost = 1 }: Limit): number => cost;

/** How long a response may be used, in seconds. */
export interface Cache {
  /** @default the origin's `cache.ttl` */
  readonly freshS?: number;
  /** RFC 5861 §3. @default 0 */
  readonly staleWhileRevalidateS?: number;
  /** RFC 5861 §4. @default 0 */
  readonly staleIfErrorS?: number;
  /** Names by which a write invalidates the response: `products`, or `products/:id` with the path's parameter. */
  readonly tags?: readonly string[];
}

/**
 * `safe`: GET and HEAD. `idempotent`: PUT and DELETE that opt in. `with-key`: POST with an Idempotency-Key, which the origin
 * executes once; the same key gets the same response.
 */
export type Retry = "safe" | "idempotent" | "with-key" | "never";

/** Under overload, background work is shed first, then reads, then writes. */
export type Priority = "write" | "read" | "background";

export interface Policy {
  readonly auth: Auth;
  /** @default none */
  readonly cors?: Cors;
  /** @default none */
  readonly limit?: readonly Limit[];
  /** Largest request body, bytes; at most 10 MiB. @default 65,536 (0 for a route without a body) */
  readonly maxBody?: number;
  /** @default responses are not stored */
  readonly cache?: Cache;
  /** @default "safe" for GET, "never" for every other method */
  readonly retry?: Retry;
  /** The request's deadline, milliseconds; at most 5 minutes. @default 10,000 */
  readonly timeout?: number;
  /** @default "read" for GET, "write" for every other method */
  readonly priority?: Priority;
  /** Whether each access is reported as a data_access event. @default false */
  readonly sensitive?: boolean;
}

export const MOST_OF_LIMIT = {
  capacity: 1_000_000_000,
  refillPerSecond: 1_000_000,
  /** Time in which an empty bucket refills: a year, after which Redis forgets it. */
  windowS: 31_536_000,
} as const;

export const DEFAULT_MAX_BODY_BYTES = 64 * 1024;
export const MAX_BODY_BYTES = 10 * 1024 * 1024;
export const DEFAULT_TIMEOUT_MS = 10_000;
export const MAX_TIMEOUT_MS = 5 * 60_000;
