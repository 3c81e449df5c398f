/** The edge: requests, attempts at origins, guards, limits and cache. */
import { type Dashboard, quantileBy, query, rateBy, selector, shareBy } from "../panel.ts";

const DURATION = "http_server_request_duration_seconds";
const ATTEMPT = "http_client_request_duration_seconds";
/** Retries or hedges, relative to first attempts. */
const shareOf = (cause: string): string =>
  shareBy("job", "edge_attempts_total", `cause="${cause}"`, 'cause=~"first|probe"');

export const edge: Dashboard = {
  uid: "breakwater-edge",
  title: "Breakwater: edge",
  description: "Requests at the Worker: attempts at origins, guards, limits and cache.",
  jobMetric: "edge_attempts_total",
  rows: [
    {
      title: "Requests",
      panels: [
        {
          title: "Requests by route",
          description: "Per second. Without a route: no route of the contract matched.",
          unit: "reqps",
          queries: [
            query(
              "{{http_request_method}} {{http_route}}",
              rateBy("http_request_method, http_route", `${DURATION}_count`),
            ),
          ],
        },
        {
          title: "Responses by status",
          description: "Responses to clients, per second.",
          unit: "reqps",
          shape: "stack",
          queries: [
            query("{{http_response_status_code}}", rateBy("http_response_status_code", `${DURATION}_count`)),
          ],
        },
        {
          title: "99th percentile by route",
          description: "Time until the response header. An isolate's clock includes only time spent waiting.",
          unit: "s",
          queries: [
            query(
              "{{http_request_method}} {{http_route}}",
              quantileBy(0.99, "http_request_method, http_route", DURATION),
            ),
          ],
        },
      ],
    },
    {
      title: "Origins",
      panels: [
        {
          title: "Attempts by outcome",
          description:
            "Per second. hedge_lost: another attempt answered first; not_origin and signature_rejected: the response did not come from an origin.",
          unit: "reqps",
          shape: "stack",
          queries: [query("{{outcome}}", rateBy("outcome", "edge_attempts_total"))],
        },
        {
          title: "Attempts by origin and outcome",
          description: "Per second, without those that were answered.",
          unit: "reqps",
          queries: [
            query(
              "{{upstream}} {{outcome}}",
              rateBy("upstream, outcome", "edge_attempts_total", 'outcome!="answered"'),
            ),
          ],
        },
        {
          title: "Attempts by origin",
          description: "Per second. Equal origins get equal shares; a slow or failing one gets hardly any.",
          unit: "reqps",
          queries: [query("{{upstream}}", rateBy("upstream", "edge_attempts_total"))],
        },
        {
          title: "Hedges and retries",
          description: "Share of requests. By default, at most 5 % may be hedged and 20 % retried.",
          unit: "percentunit",
          queries: [query("hedges", shareOf("hedge")), query("retries", shareOf("retry"))],
        },
        {
          title: "Denied retries",
          description:
            "Per second. budget: the retry budget is spent, so that retries do not make an outage worse.",
          unit: "reqps",
          queries: [query("{{reason}}", rateBy("reason", "edge_retries_denied_total"))],
        },
        {
          title: "Latency by origin",
          description:
            "Duration of attempts, measured at the edge. Those that another attempt overtook (hedge_lost) have none.",
          unit: "s",
          queries: [
            query("{{server_address}} p50", quantileBy(0.5, "server_address", ATTEMPT)),
            query("{{server_address}} p99", quantileBy(0.99, "server_address", ATTEMPT)),
          ],
        },
        {
          title: "Isolates with an open breaker",
          description: "By origin, or Redis. Each isolate of the edge has its own breakers.",
          unit: "short",
          queries: [
            query(
              "{{dependency}} {{upstream}}",
              `sum by (dependency, upstream) (${selector("circuit_breaker_state", 'state="open"')})`,
            ),
          ],
        },
        {
          title: "Failed attempts by reason",
          description: "Per second, by the origin's status or the attempt's outcome.",
          unit: "reqps",
          queries: [
            query(
              "{{server_address}} {{error_type}}",
              rateBy("server_address, error_type", `${ATTEMPT}_count`, 'error_type!=""'),
            ),
          ],
        },
        {
          title: "Reporting isolates",
          description: "Instances of the Worker that sent metrics in the last ten minutes.",
          unit: "short",
          queries: [query("isolates", `count(group by (instance) (${selector(`${DURATION}_count`)}))`)],
        },
      ],
    },
    {
      title: "Guards, limits, cache",
      panels: [
        {
          title: "Rejections by guard",
          description:
            "Per second. The guards run in this order: blocklist, screening, route, authentication, limit, body.",
          unit: "reqps",
          shape: "stack",
          queries: [query("{{guard}}", rateBy("guard", "guard_refusals_total"))],
        },
        {
          title: "Rate limits by outcome",
          description:
            "Decisions per second. unavailable: Redis does not answer, and the limit is set to reject then.",
          unit: "reqps",
          queries: [query("{{policy}} {{outcome}}", rateBy("policy, outcome", "rate_limit_decisions_total"))],
        },
        {
          title: "Rate limits by mode",
          description: "Decisions per second. local, open and closed: decided without Redis.",
          unit: "reqps",
          shape: "stack",
          queries: [query("{{mode}}", rateBy("mode", "rate_limit_decisions_total"))],
        },
        {
          title: "Cacheable requests by outcome",
          description: "Per second, by the outcome of the edge's cache.",
          unit: "reqps",
          shape: "stack",
          queries: [query("{{outcome}}", rateBy("outcome", "cache_requests_total"))],
        },
        {
          title: "Cache hit ratio by route",
          description: "Hits and stale responses, as a share of cacheable requests.",
          unit: "percentunit",
          queries: [
            query("{{http_route}}", shareBy("http_route", "cache_requests_total", 'outcome=~"hit|stale"')),
          ],
        },
        {
          title: "Dropped telemetry",
          description: "Spans, data points and log lines that were not exported, per second.",
          unit: "short",
          queries: [query("{{signal}} {{reason}}", rateBy("signal, reason", "telemetry_dropped_total"))],
        },
      ],
    },
  ],
};
