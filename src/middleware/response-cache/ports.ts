/** What a tier gives the cache: a store, a coordination of fills, and the end of a request's wait. */
import type { Entry, FillResult, Generation } from "./entry.ts";

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
  /** Calls back once, at the deadline or when the client has gone. Returns the unsubscribe function. */
  onEnd?(listener: () => void): () => void;
}

/** A fill that has ended. */
export interface Filled {
  readonly result: FillResult;
  /** Undefined if the result was not stored. */
  readonly entry?: Entry | undefined;
  /** Resolves when the entry can be found. */
  readonly storing?: Promise<void> | undefined;
}

/** A fill's result, or an entry that was stored by another request or process in the meantime. */
export type Joined = (Filled | { readonly result?: undefined; readonly entry: Entry }) & {
  /** Whether another request's fill was used. */
  readonly collapsed: boolean;
};

export interface FillRequest {
  readonly key: string;
  readonly tags: readonly string[];
  readonly waiter: Waiter;
  /** Whether other requests may use the result. A HEAD at the edge gets no body. */
  readonly isShareable: boolean;
  /** Whether the fill continues when no request waits any more, because later ones need it. */
  readonly outlivesWaiters: boolean;
  /** Whether a response of that generation is young enough for this request, and newer than every write. */
  accepts(generation: Generation): boolean;
  /** The current time on the clock of the invalidations, milliseconds. */
  moment(): number;
  /** Makes the response and stores it. */
  fill(signal?: AbortSignal): Promise<Filled>;
  /** Continues with work after the response. */
  waitUntil(work: Promise<unknown>): void;
}

/** Single flight: of all requests for one key, one fills. */
export interface Fills {
  /** How long a request with a stale entry should wait for a newer one, milliseconds; 0 right after a failure. */
  patienceMs(request: FillRequest): number;
  /** Fills in the background, unless a fill is running or has just failed. */
  refresh(request: FillRequest): void;
  /**
   * Waits for the running fill, or starts one.
   *
   * @param untilMs epoch milliseconds @default the waiter's end
   * @returns undefined if the time is up
   */
  join(request: FillRequest, untilMs?: number): Promise<Joined | undefined>;
}

/** How long one fill blocks others for the same key, and how long a failed one does, milliseconds. */
export const FILL_LEASE_MS = 1_000;
