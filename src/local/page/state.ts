/**
 * What the protection page shows, `GET /state.json`: types alone, for the server and the page.
 * Rates are per second, over the last seconds; "total" counts from the start of `npm start`.
 */

/** `clients`, `edge`, `origin 1` …, `postgres`, `redis`, `collector`, `siem` */
export type NodeName = string;

export interface SystemNode {
  readonly name: NodeName;
  readonly kind: "clients" | "edge" | "origin" | "postgres" | "redis" | "collector" | "siem";
  /** Such as "redis-server 8.0.2" or "http://127.0.0.1:8788". */
  readonly detail: string;
  readonly isUp: boolean;
}

export interface Link {
  readonly from: NodeName;
  readonly to: NodeName;
  readonly requestsPerSecond: number;
  readonly errorsPerSecond: number;
  /** Milliseconds, over the last ten seconds; null without requests. */
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
}

export interface BreakerView {
  /** The node that calls. */
  readonly where: NodeName;
  readonly dependency: "database" | "http" | "origin" | "redis";
  /** The node that it protects; empty for one that is no node of this system. */
  readonly upstream: string;
  readonly state: "closed" | "open" | "half_open";
  /** Until it admits a probe, milliseconds; null unless it is open. */
  readonly probesInMs: number | null;
  /** Changes of its state, total. */
  readonly changes: number;
  /** Rejected calls, total. */
  readonly rejections: number;
}

/** An origin as the edge's balancer sees it. */
export interface OriginView {
  readonly name: NodeName;
  /** Of the edge's attempts in the last seconds, within [0, 1]. */
  readonly share: number;
  /** Expected latency under its load, milliseconds; lower is better; null before the first request. */
  readonly scoreMs: number | null;
  /** Within [0, 1]: below 1 while it returns to its whole share. */
  readonly warmth: number;
  readonly isEjected: boolean;
  readonly inFlight: number;
}

export interface BucketView {
  /** The limit's name. */
  readonly policy: string;
  /** An address, a network or a principal. */
  readonly client: string;
  readonly capacity: number;
  readonly available: number;
}

export interface LimitView {
  readonly policy: string;
  /** How requests were decided, per second: of each mode, such as `lease`, `store`, `remembered`, `local`. */
  readonly modes: Readonly<Record<string, number>>;
  /** Requests rejected by the limit, per second and total. */
  readonly limitedPerSecond: number;
  readonly limited: number;
}

export interface CacheView {
  readonly tier: "edge" | "origin";
  readonly route: string;
  readonly perSecond: CacheCounts;
  readonly total: CacheCounts;
}

export interface CacheCounts {
  readonly hit: number;
  readonly stale: number;
  readonly miss: number;
  readonly staleOnError: number;
}

export interface OverloadView {
  readonly origin: NodeName;
  readonly limit: number;
  readonly inFlight: number;
  readonly queued: number;
  /** Shed requests, per second and total. */
  readonly shedPerSecond: number;
  readonly shed: number;
}

export interface SecurityEventView {
  readonly time: string;
  readonly type: string;
  readonly message: string;
  /** The client's address; empty without one. */
  readonly client: string;
  /** How many equal events it stands for. */
  readonly count: number;
}

export interface FaultView {
  /** As in `npm run fault -- on NAME`. */
  readonly name: string;
  /** What the switch does, such as "Stop Redis". */
  readonly title: string;
  /** The node that it strikes. */
  readonly node: NodeName;
  /** A moment's fault, such as a flush: it is off again at once. */
  readonly isMomentary: boolean;
  readonly isOn: boolean;
}

export interface TourStepView {
  readonly title: string;
  /** The fault to switch on. */
  readonly fault: string;
  /** What to do, in a sentence. */
  readonly action: string;
  /** Three things to see. */
  readonly see: readonly { readonly text: string; readonly isDone: boolean }[];
  /** Whether all of them have happened since the fault was last switched on. */
  readonly isDone: boolean;
}

export interface SystemState {
  /** Epoch milliseconds. */
  readonly atMs: number;
  readonly edgeUrl: string;
  readonly nodes: readonly SystemNode[];
  readonly links: readonly Link[];
  readonly breakers: readonly BreakerView[];
  readonly origins: readonly OriginView[];
  readonly limits: readonly LimitView[];
  /** Those with the smallest share left first. */
  readonly buckets: readonly BucketView[];
  readonly caches: readonly CacheView[];
  readonly overload: readonly OverloadView[];
  readonly securityEvents: {
    /** Total by type. */
    readonly totals: Readonly<Record<string, number>>;
    /** The newest first, at most 20. */
    readonly newest: readonly SecurityEventView[];
  };
  readonly outbox: { readonly waiting: number; readonly dead: number; readonly oldestAgeS: number };
  readonly faults: readonly FaultView[];
  /** The load that the page sends; 0 is none. */
  readonly load: { readonly requestsPerSecond: number };
  readonly tour: readonly TourStepView[];
  /** A path of the API that can be read. */
  readonly examplePath: string;
}

/** `POST /requests` */
export interface RequestOrder {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Path and query at the edge. */
  readonly path: string;
  /** Sent as JSON. */
  readonly body?: unknown;
  readonly withKey: boolean;
}

/** Its answer, and that of `GET /requests/ID.json`, which later has what arrives later: spans and log lines. */
export interface RequestReport {
  /** Request id, and trace id with hyphens. */
  readonly id: string;
  readonly traceId: string;
  readonly status: number;
  readonly durationMs: number;
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** At most 4,000 characters. */
  readonly body: string;
  /** In the order of their work. Those after a rejection did not run. */
  readonly guards: readonly {
    readonly name: string;
    readonly verdict: "passed" | "rejected" | "not run";
    /** Such as "per-client: admitted (lease)"; empty without one. */
    readonly detail: string;
    /** Milliseconds of waiting; null where nothing was measured. */
    readonly durationMs: number | null;
  }[];
  readonly attempts: readonly {
    readonly number: number;
    readonly cause: string;
    readonly origin: NodeName;
    readonly outcome: string;
    readonly durationMs: number;
  }[];
  /** Of both tiers, in order. */
  readonly logs: readonly { readonly source: string; readonly line: string }[];
  /** Whether the trace has arrived: the page at `/traces/ID`. */
  readonly hasTrace: boolean;
}
