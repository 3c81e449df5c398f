/** What the edge does with requests, and with origins. */
import { chosen, type Dashboard, quantileBy, query, rateBy } from "../panel.ts";

const DURATION = "http_server_request_duration_seconds";
const ATTEMPT = "http_client_request_duration_seconds";
/** Attempts at origins that are not first, of all that are. */
const shareOf = (cause: string): string =>
  `${rateBy("job", "edge_attempts_total", `cause="${cause}"`)} / on (job) ${rateBy("job", "edge_attempts_total", 'cause=~"first|probe"')}`;

export const edge: Dashboard = {
  uid: "breakwater-edge",
  title: "Breakwater: edge",
  description: "Requests at the Worker: guards, limits, cache, and the attempts at origins.",
  jobsOf: "edge_attempts_total",
  rows: [
    {
      title: "Requests",
      panels: [
        {
          title: "Requests by route",
          description: "A second. Without a route: none of the contract's matched.",
          unit: "reqps",
          queries: [
            query(
              "{{http_request_method}} {{http_route}}",
              rateBy("http_request_method, http_route", `${DURATION}_count`),
            ),
          ],
        },
        {
          title: "Answers by status",
          description: "What clients got, a second.",
          unit: "reqps",
          shape: "stack",
          queries: [
            query("{{http_response_status_code}}", rateBy("http_response_status_code", `${DURATION}_count`)),
          ],
        },
        {
          title: "99th percentile by route",
          description: "Until the answer's head; an isolate's clock counts only what is waited for.",
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
          description: "A second, but for those that were answered.",
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
          description: "A second. Equal origins get equal shares; one that is slow or fails gets hardly any.",
          unit: "reqps",
          queries: [query("{{upstream}}", rateBy("upstream", "edge_attempts_total"))],
        },
        {
          title: "Hedges and retries",
          description:
            "Of a hundred requests five may be hedged, and twenty made again, unless set otherwise.",
          unit: "percentunit",
          queries: [query("hedges", shareOf("hedge")), query("retries", shareOf("retry"))],
        },
        {
          title: "Retries that were denied",
          description:
            "A second. budget: too many requests are made again already, so an outage is not made worse.",
          unit: "reqps",
          queries: [query("{{reason}}", rateBy("reason", "edge_retries_denied_total"))],
        },
        {
          title: "Latency by origin",
          description: "Of attempts, as the edge sees them.",
          unit: "s",
          queries: [
            query("{{server_address}} p50", quantileBy(0.5, "server_address", ATTEMPT)),
            query("{{server_address}} p99", quantileBy(0.99, "server_address", ATTEMPT)),
          ],
        },
        {
          title: "Isolates whose breaker is open",
          description: "By origin, or Redis. Each isolate of the edge has breakers of its own.",
          unit: "short",
          queries: [
            query(
              "{{dependency}} {{upstream}}",
              `sum by (dependency, upstream) (${chosen("circuit_breaker_state", 'state="open"')})`,
            ),
          ],
        },
        {
          title: "Attempts that failed, by why",
          description: "A second, by the status that an origin gave, or what became of the attempt.",
          unit: "reqps",
          queries: [
            query(
              "{{server_address}} {{error_type}}",
              rateBy("server_address, error_type", `${ATTEMPT}_count`, 'error_type!=""'),
            ),
          ],
        },
        {
          title: "Isolates that tell",
          description: "Instances of the Worker with metrics of the last ten minutes.",
          unit: "short",
          queries: [query("isolates", `count(group by (instance) (${chosen(`${DURATION}_count`)}))`)],
        },
      ],
    },
    {
      title: "Guards, limits, cache",
      panels: [
        {
          title: "Refusals by guard",
          description:
            "A second, in the order of the request's way: blocklist, screening, route, authentication, limit, body.",
          unit: "reqps",
          shape: "stack",
          queries: [query("{{guard}}", rateBy("guard", "guard_refusals_total"))],
        },
        {
          title: "Limits by outcome",
          description: "Decisions a second. unavailable: nobody could say, and the limit is closed then.",
          unit: "reqps",
          queries: [query("{{policy}} {{outcome}}", rateBy("policy, outcome", "rate_limit_decisions_total"))],
        },
        {
          title: "Limits by what gave the verdict",
          description: "local, open and closed: Redis had no part in it.",
          unit: "reqps",
          shape: "stack",
          queries: [query("{{mode}}", rateBy("mode", "rate_limit_decisions_total"))],
        },
        {
          title: "Cacheable requests by outcome",
          description: "What the edge's cache made of them, a second.",
          unit: "reqps",
          shape: "stack",
          queries: [query("{{outcome}}", rateBy("outcome", "cache_requests_total"))],
        },
        {
          title: "Answers from the cache, by route",
          description: "Hits and stale answers, of all cacheable requests.",
          unit: "percentunit",
          queries: [
            query(
              "{{http_route}}",
              `${rateBy("http_route", "cache_requests_total", 'outcome=~"hit|stale"')} / ${rateBy("http_route", "cache_requests_total")}`,
            ),
          ],
        },
        {
          title: "Telemetry that was lost",
          description: "Spans, points and lines a second that were not exported.",
          unit: "short",
          queries: [query("{{signal}} {{reason}}", rateBy("signal, reason", "telemetry_dropped_total"))],
        },
      ],
    },
  ],
};
