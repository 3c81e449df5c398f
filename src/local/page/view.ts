/** The state that the page shows, of a reading. */
import type { Reading, WatchedSystem } from "./collect.ts";
import type { Labels, Where } from "./samples.ts";
import type {
  BreakerView,
  CacheCounts,
  CacheView,
  LimitView,
  Link,
  OriginView,
  OverloadView,
  SystemState,
} from "./state.ts";

/** What is not read from the system, but from the page itself. */
type OwnState = Pick<SystemState, "faults" | "load" | "tour" | "examplePath">;

const EDGE = "edge";
const STATES = ["closed", "open", "half_open"] as const;
const DEPENDENCIES = ["database", "http", "origin", "redis"] as const;
const SERVER = "http_server_request_duration_seconds";
const CLIENT = "http_client_request_duration_seconds";
const STORE = "db_client_operation_duration_seconds";

export const viewOf = (
  reading: Reading,
  { edgeUrl, origins }: Pick<WatchedSystem, "edgeUrl" | "origins">,
): Omit<SystemState, keyof OwnState> => {
  const { atMs, samples, nodes, newestEvents, outbox } = reading;
  const nodeOf = new Map(origins.map(({ name, authority }) => [authority, name]));
  const names = origins.map(({ name }) => name);
  const sum = (of: (node: string) => number): number => names.reduce((total, name) => total + of(name), 0);

  /** Of a histogram's series. */
  const link = (
    [from, to, node]: readonly [from: string, to: string, node: string],
    name: string,
    where: Labels,
    isError: (labels: Labels) => boolean,
  ): Link => {
    const [p50Ms = null, p99Ms = null] = samples.quantiles(node, name, where, [0.5, 0.99]);
    const all = Object.entries(where);
    const fails: Where = (labels) =>
      all.every(([label, value]) => labels[label] === value) && isError(labels);
    return {
      ...{ from, to, p50Ms, p99Ms },
      requestsPerSecond: samples.perSecond(node, `${name}_count`, where),
      errorsPerSecond: samples.perSecond(node, `${name}_count`, fails),
    };
  };
  const hasError = (labels: Labels): boolean => (labels["error_type"] ?? "") !== "";

  /** Counters of what was sent, without durations. */
  const sent = (from: string, to: string, ok: [string, Where], failed: [string, Where]): Link => {
    const errorsPerSecond = samples.perSecond(from, ...failed);
    const requestsPerSecond = samples.perSecond(from, ...ok) + errorsPerSecond;
    return { from, to, requestsPerSecond, errorsPerSecond, p50Ms: null, p99Ms: null };
  };
  const toCollector = (from: string): Link =>
    sent(
      from,
      "collector",
      ["telemetry_exported_total", {}],
      ["telemetry_dropped_total", { reason: "export_failed" }],
    );
  const deliveries = "security_event_deliveries_total";

  const links: Link[] = [
    link(
      ["clients", EDGE, EDGE],
      SERVER,
      {},
      ({ http_response_status_code: status = "" }) => status >= "500",
    ),
    ...origins.map(({ name, authority }) => ({
      ...link([EDGE, name, EDGE], CLIENT, { server_port: authority.split(":").at(-1) ?? "" }, hasError),
      // An attempt that another one overtook is counted, but has no duration.
      requestsPerSecond: samples.perSecond(EDGE, "edge_attempts_total", { upstream: authority }),
    })),
    reading.edgeToRedis,
    toCollector(EDGE),
    ...names.flatMap((name) => [
      link([name, "postgres", name], STORE, { db_system_name: "postgresql" }, hasError),
      link([name, "redis", name], STORE, { db_system_name: "redis" }, hasError),
      toCollector(name),
      sent(
        name,
        "siem",
        [deliveries, { sink: "webhook", outcome: "delivered" }],
        [deliveries, ({ sink, outcome }) => sink === "webhook" && outcome !== "delivered"],
      ),
    ]),
  ];

  const breakersOf = (where: string): BreakerView[] =>
    samples
      .all(where, "circuit_breaker_state", ({ state }) => state === "closed")
      .map(({ labels: { dependency: dependencyName, upstream = "" } }) => {
        const dependency = DEPENDENCIES.find((each) => each === dependencyName) ?? "http";
        const own = { dependency, upstream };
        const state = STATES.find(
          (each) => samples.total(where, "circuit_breaker_state", { ...own, state: each }) > 0,
        );
        const probeS = samples.total(where, "circuit_breaker_time_until_probe_seconds", own);
        const isNode = dependency === "redis" || dependency === "database";
        return {
          ...{ where, dependency, state: state ?? "closed" },
          upstream: isNode ? (dependency === "redis" ? "redis" : "postgres") : (nodeOf.get(upstream) ?? ""),
          probesInMs: state === "open" ? probeS * 1_000 : null,
          changes: samples.total(where, "circuit_breaker_state_changes_total", own),
          rejections: samples.total(where, "circuit_breaker_rejections_total", own),
        };
      });

  const attempts = links.filter(({ from, to }) => from === EDGE && names.includes(to));
  const allAttempts = attempts.reduce((total, { requestsPerSecond }) => total + requestsPerSecond, 0);
  const originViews = origins.map(({ name, authority: upstream }): OriginView => {
    const gauge = (what: string): number => samples.total(EDGE, `edge_origin_${what}`, { upstream });
    const isKnown = samples.all(EDGE, "edge_origin_score_seconds", { upstream }).length > 0;
    const own = attempts.find(({ to }) => to === name)?.requestsPerSecond ?? 0;
    return {
      name,
      share: allAttempts === 0 ? 0 : own / allAttempts,
      scoreMs: isKnown ? gauge("score_seconds") * 1_000 : null,
      warmth: isKnown ? gauge("warmth") : 1,
      isEjected: gauge("ejected") > 0,
      inFlight: gauge("in_flight"),
    };
  });

  const valuesOf = (nodesWith: readonly string[], name: string, label: string): string[] =>
    [
      ...new Set(
        nodesWith.flatMap((node) => samples.all(node, name).map(({ labels }) => labels[label] ?? "")),
      ),
    ].sort();

  const decisions = "rate_limit_decisions_total";
  const limits = valuesOf([EDGE], decisions, "policy").map((policy): LimitView => {
    const modes = valuesOf([EDGE], decisions, "mode").map((mode) => [
      mode,
      samples.perSecond(EDGE, decisions, { policy, mode }),
    ]);
    const limited = { policy, outcome: "limited" };
    return {
      ...{ policy, modes: Object.fromEntries(modes) },
      limitedPerSecond: samples.perSecond(EDGE, decisions, limited),
      limited: samples.total(EDGE, decisions, limited),
    };
  });

  const cachesOf = (tier: CacheView["tier"], from: readonly string[]): CacheView[] =>
    valuesOf(from, "cache_requests_total", "http_route").map((route) => {
      const counts = (of: (node: string, name: string, where: Where) => number): CacheCounts => {
        const count = (outcome: string): number =>
          from.reduce(
            (all, node) => all + of(node, "cache_requests_total", { http_route: route, outcome }),
            0,
          );
        return {
          ...{ hit: count("hit"), stale: count("stale"), miss: count("miss") },
          staleOnError: count("stale_on_error"),
        };
      };
      return {
        ...{ tier, route },
        perSecond: counts((...of) => samples.perSecond(...of)),
        total: counts((...of) => samples.total(...of)),
      };
    });

  const overload = names.map(
    (origin): OverloadView => ({
      origin,
      limit: samples.total(origin, "overload_limit"),
      inFlight: samples.total(origin, "overload_in_flight"),
      queued: samples.total(origin, "overload_queued"),
      shedPerSecond: samples.perSecond(origin, "overload_shed_total"),
      shed: samples.total(origin, "overload_shed_total"),
    }),
  );

  const totals = valuesOf(names, "security_events_total", "type").map((type) => [
    type,
    sum((node) => samples.total(node, "security_events_total", { type })),
  ]);
  return {
    ...{ atMs, edgeUrl, nodes, links, limits, overload },
    breakers: [EDGE, ...names].flatMap(breakersOf),
    origins: originViews,
    buckets: reading.buckets.map(({ limitName, ...bucket }) => ({ policy: limitName, ...bucket })),
    caches: [...cachesOf("edge", [EDGE]), ...cachesOf("origin", names)],
    securityEvents: { totals: Object.fromEntries(totals), newest: newestEvents },
    outbox: {
      waiting: outbox.reduce((all, { waiting }) => all + waiting, 0),
      dead: outbox.reduce((all, { dead }) => all + dead, 0),
      oldestAgeS: Math.max(0, ...outbox.map(({ oldestAgeS }) => oldestAgeS)),
    },
  };
};
