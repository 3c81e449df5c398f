/**
 * A route's policy: what the edge enforces before a request costs the origin anything, and what the origin
 * keeps to while serving it. Times are in milliseconds, sizes in bytes, cache windows in seconds (as in
 * HTTP's own `Cache-Control`).
 */

/** Who may call: anybody, or a principal that holds every scope named. */
export type Auth = "public" | { readonly scopes: readonly [string, ...string[]] };

/** No route asks for it: its holder may ask how the system came to a response. */
export const OPERATOR_SCOPE = "operator";

/** Which sites' pages may call the route from a browser (Fetch Standard, "CORS protocol"). */
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
  /** Lower-case letters, digits, hyphens: it is told to clients. */
  readonly name: string;
  /** Tokens that may be taken at once. */
  readonly capacity: number;
  /** Tokens a second that come back. */
  readonly refillPerSecond: number;
  /** `principal`: the principal's where there is one, else the client's. A client is an address; of IPv6, its /64. */
  readonly per: "client" | "principal";
  /** Tokens that one request takes: a whole number, at most the capacity. @default 1 */
  readonly cost?: number;
  /** Exact, with one round trip a request, instead of leased. @default false */
  readonly strict?: boolean;
  /**
   * What decides while the store does not answer: a bucket of each isolate's own, nothing (all is admitted), or nothing
   * (all is refused, with 503).
   */
  readonly onStoreFailure: "local" | "open" | "closed";
  /** It is counted and told, and refuses nothing. @default false */
  readonly dryRun?: boolean;
}

/** Tokens that one request takes. */
export const costOf = ({ cost = 1 }: Limit): number => cost;

/** How long an answer may be used. All in seconds. */
export interface Cache {
  /** @default the origin's `cache.ttl` */
  readonly freshS?: number;
  /** RFC 5861 §3. @default 0 */
  readonly staleWhileRevalidateS?: number;
  /** RFC 5861 §4. @default 0 */
  readonly staleIfErrorS?: number;
  /**
   * Names by which a write makes the answer old, such as `products`, or `products/:id` with the path's parameter in
   * its place.
   */
  readonly tags?: readonly string[];
}

/**
 * `safe`: GET and HEAD. `idempotent`: PUT and DELETE that opt in. `with-key`: POST with an Idempotency-Key, whose
 * writes the origin then does once only: the same key gets the same answer.
 */
export type Retry = "safe" | "idempotent" | "with-key" | "never";

/** What is kept longest under overload: writes, then reads, then background work. */
export type Priority = "write" | "read" | "background";

export interface Policy {
  readonly auth: Auth;
  /** @default no site's page may call */
  readonly cors?: Cors;
  /** @default none */
  readonly limit?: readonly Limit[];
  /** Largest request body, bytes; at most 10 MiB. @default 65,536 (0 for a route without a body) */
  readonly maxBody?: number;
  /** @default answers are not stored */
  readonly cache?: Cache;
  /** @default "safe" for GET, "never" for every other method */
  readonly retry?: Retry;
  /** The request's deadline, milliseconds; at most 5 minutes. @default 10,000 */
  readonly timeout?: number;
  /** @default "read" for GET, "write" for every other method */
  readonly priority?: Priority;
  /** Whether an access leaves a data_access event. @default false */
  readonly sensitive?: boolean;
}

/** What a limit's numbers are at most. */
export const MOST_OF_LIMIT = {
  capacity: 1_000_000_000,
  refillPerSecond: 1_000_000,
  /** In so long a bucket is full again, seconds: a year, after which Redis forgets it. */
  windowS: 31_536_000,
} as const;

export const DEFAULT_MAX_BODY_BYTES = 64 * 1024;
export const MAX_BODY_BYTES = 10 * 1024 * 1024;
export const DEFAULT_TIMEOUT_MS = 10_000;
/** Longer than this nobody waits for an answer. */
export const MAX_TIMEOUT_MS = 5 * 60_000;
