/** How the whole is, and whether it keeps its objective. */
import { chosen, type Dashboard, type Panel, quantileBy, query, rateBy } from "../panel.ts";

const DURATION = "http_server_request_duration_seconds";
const FAILED = 'http_response_status_code=~"5.."';

const burn = (window: string): string =>
  `max by (job) (${chosen(`slo:http_requests:error_ratio_rate${window}`)}) / 0.001`;

const latency: Panel = {
  title: "Latency by tier",
  description:
    "Half, and 99 of 100, of the requests take at most so long. The objective of the 99th is 500 ms.",
  unit: "s",
  queries: [
    query("{{job}} p50", quantileBy(0.5, "job", DURATION)),
    query("{{job}} p99", quantileBy(0.99, "job", DURATION)),
  ],
};

export const overview: Dashboard = {
  uid: "breakwater-overview",
  title: "Breakwater: overview",
  description: "What clients get, and whether the objective is kept: 99.9 % of the requests without a 5xx.",
  jobsOf: "http_server_request_duration_seconds_count",
  rows: [
    {
      title: "The objective: 99.9 % of the requests without a 5xx",
      panels: [
        {
          title: "Error budget left of 30 days",
          description:
            "100 %: no request has failed. 0: as many as the objective allows. Of as many days as Prometheus keeps.",
          unit: "percentunit",
          shape: "number",
          alarm: { yellow: 0.5, red: 0 },
          queries: [query("{{job}}", `min by (job) (${chosen("slo:http_requests:error_budget_left30d")})`)],
        },
        {
          title: "Burn rate of the last hour",
          description: "1 spends the budget of 30 days in 30 days, 14.4 in two.",
          unit: "short",
          shape: "number",
          alarm: { yellow: 1, red: 14.4 },
          queries: [query("{{job}}", burn("1h"))],
        },
        {
          title: "Error ratio of the last five minutes",
          description: "Answers with 5xx, of all. Nothing where there were no requests.",
          unit: "percentunit",
          shape: "number",
          alarm: { yellow: 0.001, red: 0.0144 },
          queries: [query("{{job}}", `max by (job) (${chosen("slo:http_requests:error_ratio_rate5m")})`)],
        },
        {
          title: "Alerts that fire",
          description: "Their names, and what to do, are in the runbook.",
          unit: "short",
          shape: "number",
          alarm: { yellow: 1, red: 5 },
          queries: [
            query("alerts", 'count(ALERTS{alertstate="firing", severity=~"page|ticket"}) or vector(0)'),
          ],
        },
        {
          title: "Burn rate by window",
          description:
            "A page at 14.4 over 1 h and 5 min, and at 6 over 6 h and 30 min; a ticket at 1 over 3 d and 6 h.",
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
          title: "Requests a second by tier",
          description: "What the edge answers from its cache, or refuses, does not reach an origin.",
          unit: "reqps",
          queries: [query("{{job}}", rateBy("job", `${DURATION}_count`))],
        },
        {
          title: "Error ratio by tier",
          description:
            "Answers with 5xx, of all. What an origin fails at, the edge may mend by asking another one.",
          unit: "percentunit",
          queries: [
            query(
              "{{job}}",
              `(${rateBy("job", `${DURATION}_count`, FAILED)} or 0 * ${rateBy("job", `${DURATION}_count`)}) / ${rateBy("job", `${DURATION}_count`)}`,
            ),
          ],
        },
        latency,
        {
          title: "Answers by status",
          description: "A second, of both tiers.",
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
          description: "A second; a route is the contract's template.",
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
      title: "What keeps it up",
      panels: [
        {
          title: "Origins that are scraped",
          description: "Pods, or hosts, whose metrics are read.",
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
          description: "stale_on_error: an old answer, as no newer one could be made.",
          unit: "reqps",
          shape: "stack",
          queries: [query("{{job}} {{outcome}}", rateBy("job, outcome", "cache_requests_total"))],
        },
        {
          title: "Circuit breakers that open",
          description:
            "Times a second that a breaker opened, of all pods and isolates. One that is away opens every two seconds or so.",
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
