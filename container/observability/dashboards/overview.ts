/** Both tiers at a glance, and the objective. */
import { type Dashboard, type Panel, quantileBy, query, rateBy, selector, shareBy } from "../panel.ts";

const DURATION = "http_server_request_duration_seconds";
const FAILED = 'http_response_status_code=~"5.."';

const burn = (window: string): string =>
  `max by (job) (${selector(`slo:http_requests:error_ratio_rate${window}`)}) / 0.001`;

const latency: Panel = {
  title: "Latency by tier",
  description:
    "The median and the 99th percentile of the request duration. The objective for the latter is 500 ms.",
  unit: "s",
  queries: [
    query("{{job}} p50", quantileBy(0.5, "job", DURATION)),
    query("{{job}} p99", quantileBy(0.99, "job", DURATION)),
  ],
};

export const overview: Dashboard = {
  uid: "breakwater-overview",
  title: "Breakwater: overview",
  description: "The responses that clients get, and the objective: 99.9 % of requests without a 5xx.",
  jobMetric: "http_server_request_duration_seconds_count",
  rows: [
    {
      title: "Objective: 99.9 % of requests without a 5xx",
      panels: [
        {
          title: "Error budget left, 30 days",
          description:
            "100 %: no request failed. 0 %: as many failed as the objective allows. Covers Prometheus' retention if that is shorter.",
          unit: "percentunit",
          shape: "stat",
          thresholds: { yellow: 0.5, red: 0 },
          queries: [query("{{job}}", `min by (job) (${selector("slo:http_requests:error_budget_left30d")})`)],
        },
        {
          title: "Burn rate, last hour",
          description: "A rate of 1 spends the budget of 30 days in 30 days, a rate of 14.4 in two days.",
          unit: "short",
          shape: "stat",
          thresholds: { yellow: 1, red: 14.4 },
          queries: [query("{{job}}", burn("1h"))],
        },
        {
          title: "Error ratio, last five minutes",
          description: "Share of responses with a 5xx. No data without requests.",
          unit: "percentunit",
          shape: "stat",
          thresholds: { yellow: 0.001, red: 0.0144 },
          queries: [query("{{job}}", `max by (job) (${selector("slo:http_requests:error_ratio_rate5m")})`)],
        },
        {
          title: "Firing alerts",
          description: "The runbook has a section for each alert.",
          unit: "short",
          shape: "stat",
          thresholds: { yellow: 1, red: 5 },
          queries: [
            query("alerts", 'count(ALERTS{alertstate="firing", severity=~"page|ticket"}) or vector(0)'),
          ],
        },
        {
          title: "Burn rate by window",
          description:
            "Pages at 14.4 over 1 h and 5 min, and at 6 over 6 h and 30 min; a ticket at 1 over 3 d and 6 h.",
          unit: "short",
          width: 24,
          queries: ["5m", "30m", "1h", "6h", "3d"].map((window) => query(`{{job}} ${window}`, burn(window))),
        },
      ],
    },
    {
      title: "Requests",
      panels: [
        {
          title: "Requests by tier",
          description:
            "Per second. Requests that the edge rejects or serves from its cache do not reach an origin.",
          unit: "reqps",
          queries: [query("{{job}}", rateBy("job", `${DURATION}_count`))],
        },
        {
          title: "Error ratio by tier",
          description:
            "Share of responses with a 5xx. The edge can hide an origin's failure by retrying at another one.",
          unit: "percentunit",
          queries: [query("{{job}}", shareBy("job", `${DURATION}_count`, FAILED))],
        },
        latency,
        {
          title: "Responses by status",
          description: "Per second, at both tiers.",
          unit: "reqps",
          shape: "stack",
          width: 12,
          queries: [
            query(
              "{{job}} {{http_response_status_code}}",
              rateBy("job, http_response_status_code", `${DURATION}_count`),
            ),
          ],
        },
        {
          title: "5xx by route",
          description: "Per second. A route is the contract's path template.",
          unit: "reqps",
          width: 12,
          queries: [
            query(
              "{{job}} {{http_request_method}} {{http_route}}",
              rateBy("job, http_request_method, http_route", `${DURATION}_count`, FAILED),
            ),
          ],
        },
      ],
    },
    {
      title: "Resilience",
      panels: [
        {
          title: "Scraped origins",
          description: "Number of pods or hosts whose metrics Prometheus can scrape.",
          unit: "short",
          queries: [
            query(
              "{{job}} {{namespace}}",
              'sum by (job, namespace) (up{job="web-api", namespace=~"$namespace"})',
            ),
          ],
        },
        {
          title: "Cacheable requests by outcome",
          description: "Per second. stale_on_error: a stale response, because no newer one was available.",
          unit: "reqps",
          shape: "stack",
          queries: [query("{{job}} {{outcome}}", rateBy("job, outcome", "cache_requests_total"))],
        },
        {
          title: "Circuit breakers opening",
          description:
            "Per second, over all pods and isolates. While a dependency is down, its breaker opens about every two seconds.",
          unit: "short",
          queries: [
            query(
              "{{job}} {{dependency}} {{upstream}}",
              rateBy("job, dependency, upstream", "circuit_breaker_state_changes_total", 'state="open"'),
            ),
          ],
        },
      ],
    },
  ],
};
