/** The parts that differ by tier: routes and responses, the store, and how concurrent requests share a fill. */
import type { Problem } from "../../contract/problem.ts";
import type { RawTarget } from "../context/index.ts";
import type { CacheRoute } from "./cacheable.ts";
import type { Entry, FillResult, Generation } from "./entry.ts";
import type { CacheContext } from "./respond.ts";

export interface FillOptions {
  /**
   * The response is for any number of requests: it must not depend on If-None-Match, nor on anything else that belongs to
   * one client, and must not end with its request.
   */
  readonly isShared: boolean;
  /** For the next cache (RFC 9111 §5.2.1). */
  readonly cacheControl?: string | undefined;
  /** Aborts when no request waits for the response any more. */
  readonly signal?: AbortSignal | undefined;
}

export interface CachePort<C extends CacheContext> {
  route(c: C): CacheRoute;
  /**
   * The target of the validated request: one form for all ways to write it. Undefined if the request is invalid. @default as
   * sent
   */
  target?(c: C): RawTarget | undefined;
  /** Makes the response. Failures are problems, not exceptions: then a stale entry replaces them. */
  fill(c: C, options: FillOptions): Promise<FillResult>;
  waiter(c: C): Waiter;
  /** The Cache-Control of another cache before this one. A client's own is ignored. @default none */
  cacheControl?(c: C): string | undefined;
  /** @default `problemResponse` */
  reject?(c: C, problem: Problem): Response | Promise<Response>;
}

export interface CacheStore {
  /** Synchronous if the store is memory. A store that is down or slow has no entry. */
  get(key: string): Entry | undefined | Promise<Entry | undefined>;
  /** Resolves when the entry can be found. Never rejects. */
  put(key: string, entry: Entry): void | Promise<void>;
}

/** A request that waits for a fill. */
export interface Waiter {
  /** Epoch milliseconds. */
  readonly deadlineAtMs: number;
  /** Calls back once, at the deadline or when the client disconnects. @returns removes the listener */
  onEnd?(listener: () => void): () => void;
  /** The request waits no longer. */
  leave?(): void;
}

/** A fill that has ended. */
export interface Filled {
  readonly result: FillResult;
  /** Undefined if the result was not stored. */
  readonly entry?: Entry | undefined;
  /** Resolves when the entry can be found. */
  readonly storing?: Promise<void> | undefined;
}

/** A fill's result, or an entry that another request or process has stored in the meantime. */
export type Joined = (Filled | { readonly result?: undefined; readonly entry: Entry }) & {
  /** Whether another request's fill was used. */
  readonly collapsed: boolean;
};

export interface FillRequest {
  readonly key: string;
  readonly tags: readonly string[];
  /**
   * Whether a stale entry may be used instead: then the request waits no longer than a lease, and not at all right after a
   * failure. The fill continues without it, for later requests.
   */
  readonly hasAlternative: boolean;
  /** Whether other requests may use the result. A HEAD at the edge gets no body. */
  readonly isShareable: boolean;
  /** Whether a response of that generation is young enough for this request, and newer than every write. */
  accepts(generation: Generation): boolean;
  /** The current moment of the invalidations, milliseconds. */
  moment(): number;
  /** Makes the response and stores it. */
  fill(signal?: AbortSignal): Promise<Filled>;
  /** Continues with work after the response. */
  waitUntil(work: Promise<unknown>): void;
}

/** Single flight: of all requests for one key, one fills. */
export interface Fills {
  /** Fills in the background, unless a fill is running or has just failed. */
  refresh(request: FillRequest): void;
  /**
   * Waits for the running fill, or starts one.
   *
   * @param untilMs epoch milliseconds @default the waiter's end
   * @returns undefined if it takes too long
   */
  join(request: FillRequest, waiter: Waiter, untilMs?: number): Promise<Joined | undefined>;
}

/** How long one fill blocks others for the same key, and how long a failed one does, milliseconds. */
export const FILL_LEASE_MS = 1_000;
