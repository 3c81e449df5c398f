/** Reads what the system exposes, once a second while the page is open: metrics, traces, the stores, and which parts answer. */
import { connect } from "node:net";
import { contract } from "../../contract/contract.ts";
import { sleep, withTimeout } from "../../lib/async.ts";
import { type BucketUsage, bucketUsage } from "../../origin/admin/limits.ts";
import type { Database } from "../../origin/db/database.ts";
import { outboxState } from "../../origin/outbox/outbox.ts";
import type { RedisStore } from "../../origin/redis/store.ts";
import type { MetricStore } from "../telemetry/metrics.ts";
import type { TraceStore } from "../telemetry/traces.ts";
import { parseSamples, SampleHistory } from "./samples.ts";
import type { Link, SecurityEventView, SystemNode } from "./state.ts";

export interface WatchedOrigin {
  readonly name: string;
  readonly url: string;
  /** Host and port by which the edge knows it. */
  readonly authority: string;
  adminUrl(): string;
}

export interface WatchedSystem {
  readonly edgeUrl: string;
  readonly origins: readonly WatchedOrigin[];
  readonly metrics: MetricStore;
  readonly traces: TraceStore;
  readonly siem: { readonly newest: readonly SecurityEventView[] };
  readonly database: Database;
  readonly redis: RedisStore;
  readonly keyPrefix: string;
  /** What all but the origins are, and how to find out whether they answer. */
  readonly parts: readonly (Omit<SystemNode, "isUp"> & { readonly check: Check })[];
}

export type Check = (signal: AbortSignal) => Promise<boolean>;

const POLL_MS = 1_000;
/** Without a look for this time nothing is read. */
const LOOK_MS = 5_000;
const TIMEOUT_MS = 800;
const FIRST_LOOK_MS = 20;
const MAX_BUCKETS = 12;

const HISTOGRAMS = [
  "http_server_request_duration_seconds",
  "http_client_request_duration_seconds",
  "db_client_operation_duration_seconds",
];
const NAMES: ReadonlySet<string> = new Set([
  ...HISTOGRAMS.flatMap((name) => [`${name}_bucket`, `${name}_count`]),
  ...["edge_attempts_total", "cache_requests_total", "rate_limit_decisions_total", "security_events_total"],
  ...["circuit_breaker_state", "circuit_breaker_state_changes_total", "circuit_breaker_rejections_total"],
  ...["circuit_breaker_time_until_probe_seconds", "edge_origin_score_seconds", "edge_origin_warmth"],
  ...["edge_origin_ejected", "edge_origin_in_flight", "overload_limit", "overload_in_flight"],
  ...["overload_queued", "overload_shed_total", "telemetry_exported_total", "telemetry_dropped_total"],
  "security_event_deliveries_total",
]);

/** An HTTP server answers, whatever it answers. */
export const answersHttp =
  (url: string): Check =>
  async (signal) => {
    const response = await fetch(url, { signal, redirect: "manual" });
    await response.arrayBuffer();
    return true;
  };

/** A server takes connections. A request at the edge would count as a client's. */
export const accepts =
  (url: string, bytes?: Uint8Array): Check =>
  (signal) =>
    new Promise((resolve) => {
      const { hostname, port } = new URL(url);
      const socket = connect({ host: hostname, port: Number(port) || 5_432 });
      const end = (isUp: boolean): void => {
        socket.destroy();
        resolve(isUp);
      };
      socket.on("connect", () => (bytes === undefined ? end(true) : socket.write(bytes)));
      socket
        .once("data", () => end(true))
        .on("error", () => end(false))
        .on("close", () => end(false));
      signal.addEventListener("abort", () => end(false));
    });

/** A PostgreSQL answers whether it speaks TLS, before it asks who connects (protocol, "SSLRequest"). */
export const answersPostgres = (databaseUrl: string): Check =>
  accepts(databaseUrl, Uint8Array.of(0, 0, 0, 8, 4, 210, 22, 47));

export interface Reading {
  readonly atMs: number;
  readonly nodes: readonly SystemNode[];
  readonly samples: SampleHistory;
  readonly buckets: readonly BucketUsage[];
  readonly outbox: Awaited<ReturnType<typeof outboxState>>;
  readonly newestEvents: readonly SecurityEventView[];
  readonly edgeToRedis: Link;
}

/** @returns the newest reading; the first one takes a moment */
export const createCollector = (system: WatchedSystem, onReading: (reading: Reading) => void) => {
  const samples = new SampleHistory();
  let lookedAtMs = Number.NEGATIVE_INFINITY;
  let polling: Promise<void> | undefined;
  let latest: Reading | undefined;
  /** The last samples of each node: one that does not answer keeps its own. */
  const ofNodes = new Map<string, ReturnType<typeof parseSamples>>();
  const instances = new Set<string>();

  /** An isolate that has ended leaves its series behind, of which only the counters count. */
  const edgeText = (): string => {
    const text = system.metrics.text();
    for (const [, instance = ""] of text.matchAll(/^circuit_breaker_state\{.*instance="([^"]+)"/gm))
      instances.add(instance);
    // The store forgets the silent ones.
    for (const known of instances) if (!text.includes(known)) instances.delete(known);
    const newest = [...instances].at(-1) ?? "";
    const isPresent = (line: string): boolean =>
      !/^(?:circuit_breaker_(?:state|time_until_probe_seconds)|edge_origin_\w+)\{/.test(line) ||
      line.includes(newest);
    return text.split("\n").filter(isPresent).join("\n");
  };

  const settle = async <T>(work: (signal: AbortSignal) => Promise<T>, fallback: T): Promise<T> => {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    return await withTimeout(
      work(signal).catch(() => fallback),
      TIMEOUT_MS,
      { fallback },
    );
  };

  const readOrigin = async ({ name, url, adminUrl }: WatchedOrigin): Promise<SystemNode> => {
    const text = await settle(async (signal) => {
      const response = await fetch(`${adminUrl()}/metrics`, { signal });
      return await response.text();
    }, "");
    if (text !== "") ofNodes.set(name, parseSamples(text, NAMES));
    return { name, kind: "origin", detail: url, isUp: text !== "" };
  };

  const poll = async (): Promise<void> => {
    const { parts, origins, database, redis, keyPrefix } = system;
    const [nodes, originNodes, buckets, outbox] = await Promise.all([
      Promise.all(parts.map(async ({ check, ...node }) => ({ ...node, isUp: await settle(check, false) }))),
      Promise.all(origins.map(readOrigin)),
      settle(() => bucketUsage({ pool: database, redis, keyPrefix, routes: contract }, Date.now()), []),
      settle(() => outboxState(database), latest?.outbox ?? []),
    ]);
    ofNodes.set("edge", parseSamples(edgeText(), NAMES));
    const atMs = Date.now();
    samples.add({ atMs, nodes: new Map(ofNodes) });
    latest = {
      ...{ atMs, samples, outbox, nodes: inOrder([...nodes, ...originNodes]) },
      ...{ buckets: buckets.slice(0, MAX_BUCKETS), newestEvents: system.siem.newest },
      edgeToRedis: edgeToRedis(system.traces, atMs),
    };
    onReading(latest);
  };

  const run = async (): Promise<void> => {
    // An old snapshot would be the other end of the first rates.
    samples.clear();
    while (performance.now() - lookedAtMs < LOOK_MS) {
      const startedMs = performance.now();
      await poll();
      await sleep(Math.max(0, POLL_MS - (performance.now() - startedMs)));
    }
  };

  return {
    read: async (): Promise<Reading> => {
      lookedAtMs = performance.now();
      polling ??= run().finally(() => {
        latest = undefined;
        polling = undefined;
      });
      polling.catch(() => undefined);
      while (latest === undefined && polling !== undefined) await sleep(FIRST_LOOK_MS);
      if (latest === undefined) throw new Error("the system's state could not be read");
      return latest;
    },
    stop: async (): Promise<void> => {
      lookedAtMs = Number.NEGATIVE_INFINITY;
      await polling?.catch(() => undefined);
    },
  };
};

const KINDS = ["clients", "edge", "origin", "postgres", "redis", "collector", "siem"];

const inOrder = (nodes: readonly SystemNode[]): SystemNode[] =>
  nodes.toSorted((one, other) => KINDS.indexOf(one.kind) - KINDS.indexOf(other.kind));

const SPANS_MS = 10_000;

/** The edge has no metric of its calls, but each is a span, and here every request has a trace. */
const edgeToRedis = (traces: TraceStore, nowMs: number): Link => {
  const calls = traces
    .all()
    .flatMap(({ spans }) => spans)
    .filter(
      ({ service, startMs, attributes }) =>
        nowMs - startMs < SPANS_MS &&
        service === "breakwater-edge" &&
        attributes["db.system.name"] === "redis",
    );
  const durations = calls.map(({ durationMs }) => durationMs).sort((one, other) => one - other);
  const at = (ratio: number): number | null => durations[Math.ceil(ratio * durations.length) - 1] ?? null;
  // The newest traces replace the oldest ones, so at a high rate they reach back less far.
  const earliestMs = Math.min(...calls.map(({ startMs }) => startMs));
  const seconds = Math.max(1, (nowMs - earliestMs) / 1_000);
  return {
    ...{ from: "edge", to: "redis" },
    requestsPerSecond: calls.length === 0 ? 0 : calls.length / seconds,
    errorsPerSecond: calls.filter(({ status }) => status === "error").length / seconds,
    ...{ p50Ms: at(0.5), p99Ms: at(0.99) },
  };
};
