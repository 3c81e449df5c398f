/** Fetches an answer from an origin, and keeps it in the platform's cache where it may be kept. */
import type { Invalidations } from "../../middleware/response-cache/invalidations.ts";
import type { Lease, SingleFlight } from "../../resilience/single-flight.ts";
import type { ProxyHandler } from "../upstream/proxy.ts";
import type { Asked } from "./asked.ts";
import { CONDITION } from "./cache-key.ts";
import type { EdgeStore } from "./edge-store.ts";
import { type KeptAnswer, toKept } from "./kept-answer.ts";

export interface Fetched {
  readonly result: Response;
  readonly stored: boolean;
}

export interface FetchAndKeep {
  /** For who waits. The lease, where there is one, is ended when the answer can be found, or will not be kept. */
  fetch(asked: Asked, lease: Lease | undefined): Promise<Fetched>;
  /** In the background, where nobody does so already: something newer than what is kept. */
  refresh(asked: Asked, kept: KeptAnswer): void;
  /** Whether no origin had an answer a moment ago. */
  hasJustFailed(asked: Asked): boolean;
  /** None has one in time. */
  fail(asked: Asked): void;
}

export interface FetchAndKeepDependencies {
  readonly forward: ProxyHandler;
  readonly store: EdgeStore;
  readonly leases: SingleFlight;
  /** Of what has failed. */
  readonly failures: SingleFlight;
  readonly invalidations: Invalidations;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** Takes what is for operators' eyes. */
  readonly log: (entry: Readonly<Record<string, unknown>>) => void;
}

/** The status that says that no answer could be made; undefined for an answer. */
export const failureOf = ({ result }: Fetched): number | undefined => {
  const status = result.status;
  return status >= 500 ? status : undefined;
};

/** What nobody reads would hold its connection. */
export const discard = async ({ result }: Fetched): Promise<void> => {
  await result.body?.cancel();
};

export const fetchAndKeep = (dependencies: FetchAndKeepDependencies): FetchAndKeep => {
  const { forward, store, leases, failures, invalidations, now, log } = dependencies;

  /** So old an answer may be at most that no write that this isolate knows of has made it old, seconds. */
  const sinceWriteS = ({ tags }: Asked): number | undefined => {
    const lastMs = invalidations.last(tags);
    return lastMs === undefined ? undefined : Math.max(0, Math.floor((now() - lastMs) / 1000));
  };

  /** @returns whether it is kept; then `end` is called when it can be found */
  const keep = (
    { c, key, tags, isWhole }: Asked,
    answer: Response,
    requested: { readonly atMs: number; readonly maxAgeS: number | undefined },
    end: () => void,
  ): boolean => {
    const kept = isWhole ? toKept(answer, requested, now()) : undefined;
    // A write may have made it old, of which its age tells nothing.
    const isMakeshift = answer.headers.get("cache-status")?.includes("stale-if-error") ?? false;
    if (kept === undefined || isMakeshift || invalidations.isOld(tags, kept.madeAfterMs)) return false;
    const putting = store.put(key, kept.entry()).catch((error: unknown) => {
      log({ level: "warn", message: "not kept in the cache", error: String(error) });
    });
    c.get("waitUntil")(putting.finally(end));
    return true;
  };

  const fetch = async (
    asked: Asked,
    lease: Lease | undefined,
    maxAgeS: number | undefined,
  ): Promise<Fetched> => {
    const end = (): void => {
      if (lease !== undefined) leases.release(lease);
    };
    let stored = false;
    try {
      const requested = { atMs: now(), maxAgeS };
      const cacheControl = maxAgeS === undefined ? undefined : `max-age=${maxAgeS}`;
      const result = await forward(asked.c, { without: CONDITION, cacheControl });
      if (result.status >= 500) failures.acquire(asked.key, now());
      else stored = keep(asked, result, requested, end);
      return { result, stored };
    } finally {
      if (!stored) end();
    }
  };

  return {
    fetch: (asked, lease) => fetch(asked, lease, sinceWriteS(asked)),
    refresh: (asked, { windows }) => {
      if (!asked.isWhole || failures.heldUntilMs(asked.key, now()) !== undefined) return;
      const lease = leases.acquire(asked.key, now());
      if (lease === undefined) return;
      // The origin's own stale answer would be no newer than what is kept here.
      const freshS = Math.floor(windows.freshMs / 1000);
      const maxAgeS = Math.min(freshS, sinceWriteS(asked) ?? freshS);
      asked.c.get("waitUntil")(fetch(asked, lease, maxAgeS).then(discard));
    },
    hasJustFailed: ({ key }) => failures.heldUntilMs(key, now()) !== undefined,
    fail: ({ key }) => void failures.acquire(key, now()),
  };
};
