/** The metrics that rules, dashboards and the runbook may use. `alerts.test.ts` checks that the system has them. */
import { GUARD_NAMES } from "../../src/middleware/guards.ts";
import { CACHE_OUTCOMES } from "../../src/middleware/response-cache/respond.ts";
import { DELIVERY_OUTCOMES, DROP_PLACES } from "../../src/origin/outbox/event-metrics.ts";
import { SINK_NAMES } from "../../src/origin/outbox/sinks.ts";
import { PRIORITIES, SHED_REASONS } from "../../src/resilience/concurrency-limit/concurrency-limit.ts";
import { EVENT_TYPES } from "../../src/security-events/event.ts";

export interface KnownMetric {
  readonly type: "counter" | "gauge" | "histogram";
  /** Its own labels with their values, of open sets with examples; the scrape adds others. */
  readonly labels: Readonly<Record<string, readonly string[]>>;
  /** Its source: a tier, the rules, Prometheus itself, or the cluster. */
  readonly from: readonly ("edge" | "origin" | "collector" | "rules" | "prometheus" | "kubernetes")[];
}

/** Labels that the scrape adds; in compose only `job` and `instance`. */
export const TARGET_LABELS = ["job", "instance", "namespace", "pod"];

/** Examples of values of open sets. */
export const OPEN: Readonly<Record<string, readonly string[]>> = {
  upstream: ["a.example.com", "b.example.com"],
  http_route: ["/products", "/products/:id"],
  http_request_method: ["GET", "POST"],
  http_response_status_code: ["200", "401", "403", "404", "429", "500", "503"],
  policy: ["catalogue", "account"],
  service_peer_name: ["partner"],
  principal: ["", "alice"],
  background_job: ["clean-up"],
  server_address: ["a.example.com", "b.example.com"],
  error_type: ["", "timed_out", "503"],
  db_operation_name: ["SELECT", "HMGET"],
  service_name: ["web-api"],
  service_version: ["0.1.0"],
  alertname: ["CircuitBreakerOpen"],
  container: ["web-api"],
  deployment: ["web-api"],
  horizontalpodautoscaler: ["web-api"],
  daemonset: ["log-collector"],
  configmap: ["breakwater-monitoring"],
  cronjob: ["web-api-backup"],
  scaledObject: ["web-api"],
  name: ["web-api-tls"],
  exporter: ["otlp_http"],
  receiver: ["otlp"],
};

const open = (...names: string[]): Record<string, readonly string[]> =>
  Object.fromEntries(names.map((name) => [name, OPEN[name] ?? []]));

const STATES = ["closed", "open", "half_open"];
/** Of a condition of a Kubernetes object. */
const STATUSES = ["true", "false", "unknown"];

const breaker = { dependency: ["database", "redis", "origin", "http"], ...open("upstream") };
const http = open("http_request_method", "http_response_status_code");

const metric =
  (type: KnownMetric["type"]) =>
  (from: KnownMetric["from"], labels: KnownMetric["labels"] = {}): KnownMetric => ({ type, labels, from });
const counter = metric("counter");
const gauge = metric("gauge");
const histogram = metric("histogram");

const BOTH = ["edge", "origin"] as const;
const EDGE = ["edge"] as const;
const ORIGIN = ["origin"] as const;
const RULES = ["rules"] as const;
const COLLECTOR = ["collector"] as const;
const KUBERNETES = ["kubernetes"] as const;

const SIGNALS = ["spans", "metric_points", "log_records"];

/** By name; a histogram's series end with `_bucket`, `_count` and `_sum`. */
export const knownMetrics: Readonly<Record<string, KnownMetric>> = {
  http_server_request_duration_seconds: histogram(BOTH, { ...http, ...open("http_route") }),
  circuit_breaker_state: gauge(BOTH, { ...breaker, state: STATES }),
  circuit_breaker_state_changes_total: counter(BOTH, { ...breaker, state: STATES }),
  circuit_breaker_rejections_total: counter(BOTH, breaker),
  circuit_breaker_time_until_probe_seconds: gauge(BOTH, breaker),
  rate_limit_decisions_total: counter(BOTH, {
    ...open("policy"),
    outcome: ["passed", "limited", "unavailable"],
    mode: ["lease", "store", "remembered", "local", "open", "closed"],
  }),
  cache_requests_total: counter(BOTH, { ...open("http_route"), outcome: CACHE_OUTCOMES }),
  deprecated_requests_total: counter(BOTH, open("http_request_method", "http_route", "principal")),
  telemetry_dropped_total: counter(BOTH, {
    signal: ["traces", "metrics", "logs"],
    reason: ["queue_full", "export_failed", "too_large"],
  }),
  telemetry_exported_total: counter(BOTH, { signal: ["traces", "metrics", "logs"] }),
  target_info: gauge(BOTH, open("service_name", "service_version")),

  http_client_request_duration_seconds: histogram(BOTH, {
    ...http,
    ...open("server_address", "service_peer_name", "error_type"),
  }),
  edge_attempts_total: counter(EDGE, {
    ...open("upstream"),
    cause: ["first", "probe", "retry", "hedge"],
    outcome: [
      "answered",
      "refused",
      "not_executed",
      "not_origin",
      "signature_rejected",
      "broken",
      "timed_out",
      "hedge_lost",
    ],
  }),
  edge_origin_score_seconds: gauge(EDGE, open("upstream")),
  edge_origin_warmth: gauge(EDGE, open("upstream")),
  edge_origin_ejected: gauge(EDGE, open("upstream")),
  edge_origin_in_flight: gauge(EDGE, open("upstream")),
  edge_retries_denied_total: counter(EDGE, { reason: ["attempts", "budget", "deadline", "origins"] }),
  guard_refusals_total: counter(EDGE, { guard: GUARD_NAMES }),

  background_job_duration_seconds: histogram(ORIGIN, {
    ...open("background_job"),
    outcome: ["succeeded", "failed", "timed_out"],
  }),
  http_server_active_requests: gauge(ORIGIN),
  db_client_operation_duration_seconds: histogram(ORIGIN, {
    db_system_name: ["postgresql", "redis"],
    ...open("db_operation_name", "error_type"),
  }),
  db_client_connection_count: gauge(ORIGIN, { db_client_connection_state: ["idle", "used"] }),
  db_client_connection_pending_requests: gauge(ORIGIN),
  cache_entries: gauge(ORIGIN),
  cache_size_bytes: gauge(ORIGIN),
  overload_shed_total: counter(ORIGIN, { priority: PRIORITIES, reason: SHED_REASONS }),
  bulkhead_rejected_total: counter(ORIGIN, open("http_route")),
  overload_limit: gauge(ORIGIN),
  overload_in_flight: gauge(ORIGIN),
  overload_queued: gauge(ORIGIN),
  security_events_total: counter(ORIGIN, { type: EVENT_TYPES }),
  security_events_dropped_total: counter(ORIGIN, { type: EVENT_TYPES, where: DROP_PLACES }),
  security_event_deliveries_total: counter(ORIGIN, { sink: SINK_NAMES, outcome: DELIVERY_OUTCOMES }),
  security_event_outbox_rows: gauge(ORIGIN, { sink: SINK_NAMES, state: ["waiting", "dead"] }),
  security_event_outbox_oldest_age_seconds: gauge(ORIGIN, { sink: SINK_NAMES }),
  blocked_offenders_total: counter(ORIGIN),
  nodejs_eventloop_lag_p99_seconds: gauge(ORIGIN),
  nodejs_heap_size_used_bytes: gauge(ORIGIN),
  nodejs_gc_duration_seconds: histogram(ORIGIN, { kind: ["major", "minor", "incremental", "weakcb"] }),
  process_cpu_seconds_total: counter(ORIGIN),
  process_resident_memory_bytes: gauge(ORIGIN),

  ...Object.fromEntries(
    SIGNALS.flatMap((signal) => [
      [`otelcol_exporter_send_failed_${signal}_total`, counter(COLLECTOR, open("exporter"))],
      [`otelcol_receiver_refused_${signal}_total`, counter(COLLECTOR, open("receiver"))],
    ]),
  ),
  otelcol_exporter_queue_size: gauge(COLLECTOR, open("exporter")),
  otelcol_exporter_queue_capacity: gauge(COLLECTOR, open("exporter")),
  cloudflared_tunnel_ha_connections: gauge(COLLECTOR),

  "monitored:namespaces": gauge(RULES),
  http_request_duration_p99: gauge(RULES),
  active_connections: gauge(RULES),
  origin_demand_cores: gauge(RULES),
  "slo:http_requests:rate5m": gauge(RULES),
  "slo:http_requests_errors:rate5m": gauge(RULES),
  ...Object.fromEntries(
    ["5m", "30m", "1h", "2h", "6h", "3d"].map((window) => [
      `slo:http_requests:error_ratio_rate${window}`,
      gauge(RULES),
    ]),
  ),
  "slo:http_requests:error_budget_left30d": gauge(RULES),
  "slo:http_requests_slow:rate5m": gauge(RULES),
  ...Object.fromEntries(
    ["5m", "30m", "1h", "6h", "3d"].map((window) => [
      `slo:http_requests:slow_ratio_rate${window}`,
      gauge(RULES),
    ]),
  ),
  "slo:http_requests_behind_edge:rate5m": gauge(RULES),
  "slo:http_request_duration:p99_rate5m": gauge(RULES),

  up: gauge(["prometheus"]),
  scrape_samples_scraped: gauge(["prometheus"]),
  ALERTS: gauge(["prometheus"], {
    ...open("alertname"),
    alertstate: ["pending", "firing"],
    severity: ["page", "ticket", "none"],
  }),

  // https://github.com/kubernetes/kube-state-metrics/tree/main/docs, and cAdvisor's of the kubelet.
  kube_pod_container_status_restarts_total: counter(KUBERNETES, open("container")),
  kube_pod_container_resource_limits: gauge(KUBERNETES, {
    ...open("container"),
    resource: ["cpu", "memory"],
  }),
  kube_deployment_status_replicas_ready: gauge(KUBERNETES, open("deployment")),
  kube_deployment_spec_replicas: gauge(KUBERNETES, open("deployment")),
  kube_deployment_status_condition: gauge(KUBERNETES, {
    ...open("deployment"),
    condition: ["Available", "Progressing", "ReplicaFailure"],
    status: STATUSES,
  }),
  kube_daemonset_status_number_ready: gauge(KUBERNETES, open("daemonset")),
  kube_daemonset_status_desired_number_scheduled: gauge(KUBERNETES, open("daemonset")),
  kube_cronjob_created: gauge(KUBERNETES, open("cronjob")),
  kube_cronjob_status_last_successful_time: gauge(KUBERNETES, open("cronjob")),
  kube_configmap_info: gauge(KUBERNETES, open("configmap")),
  kube_horizontalpodautoscaler_status_current_replicas: gauge(KUBERNETES, open("horizontalpodautoscaler")),
  kube_horizontalpodautoscaler_spec_max_replicas: gauge(KUBERNETES, open("horizontalpodautoscaler")),
  kube_horizontalpodautoscaler_status_condition: gauge(KUBERNETES, {
    ...open("horizontalpodautoscaler"),
    condition: ["AbleToScale", "ScalingActive", "ScalingLimited"],
    status: STATUSES,
  }),
  container_memory_working_set_bytes: gauge(KUBERNETES, open("container")),
  // https://keda.sh/docs/latest/integrations/prometheus/
  keda_scaled_object_errors_total: counter(KUBERNETES, open("scaledObject")),
  // https://cert-manager.io/docs/devops-tips/prometheus-metrics/
  certmanager_certificate_expiration_timestamp_seconds: gauge(KUBERNETES, open("name")),
  certmanager_certificate_renewal_timestamp_seconds: gauge(KUBERNETES, open("name")),
};

/** The metric of a series' name; undefined if it is unknown. */
export const metricOfSeries = (series: string): string | undefined => {
  const own = knownMetrics[series];
  // No series has a histogram's own name.
  if (own !== undefined) return own.type === "histogram" ? undefined : series;
  const metric = series.replace(/_(bucket|count|sum)$/, "");
  return knownMetrics[metric]?.type === "histogram" ? metric : undefined;
};
