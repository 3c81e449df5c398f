/** The origin's pods: requests, overload, cache and processes. */
import { type Dashboard, quantileBy, query, rateBy, selector } from "../panel.ts";

const DURATION = "http_server_request_duration_seconds";
const POD = "{{pod}} {{instance}}";

const byPod = (metric: string, more = ""): string => `sum by (pod, instance) (${selector(metric, more)})`;

export const origin: Dashboard = {
  uid: "breakwater-origin",
  title: "Breakwater: origin",
  description: "Requests at the origin's pods, the load that they shed, and the resources that they use.",
  jobMetric: "http_server_active_requests",
  rows: [
    {
      title: "Requests",
      panels: [
        {
          title: "Requests by route",
          description: "Requests that reach the pods, per second.",
          unit: "reqps",
          queries: [
            query(
              "{{http_request_method}} {{http_route}}",
              rateBy("http_request_method, http_route", `${DURATION}_count`),
            ),
          ],
        },
        {
          title: "99th percentile by route",
          description: "Time from the request header to the response header.",
          unit: "s",
          queries: [
            query(
              "{{http_request_method}} {{http_route}}",
              quantileBy(0.99, "http_request_method, http_route", DURATION),
            ),
          ],
        },
        {
          title: "Median by route",
          description: "Half of the requests take at most this long.",
          unit: "s",
          queries: [
            query(
              "{{http_request_method}} {{http_route}}",
              quantileBy(0.5, "http_request_method, http_route", DURATION),
            ),
          ],
        },
        {
          title: "Responses by status",
          description: "Responses to the edge, per second.",
          unit: "reqps",
          shape: "stack",
          queries: [
            query("{{http_response_status_code}}", rateBy("http_response_status_code", `${DURATION}_count`)),
          ],
        },
        {
          title: "Requests in flight by pod",
          description: "Recorded as active_connections.",
          unit: "short",
          queries: [query(POD, byPod("http_server_active_requests"))],
        },
        {
          title: "99th percentile by pod",
          description: "Recorded as http_request_duration_p99, by which the autoscaler can scale.",
          unit: "s",
          queries: [query(POD, quantileBy(0.99, "pod, instance", DURATION))],
        },
      ],
    },
    {
      title: "Overload",
      panels: [
        {
          title: "Concurrency and its limit",
          description: "Over all pods. The origin adapts the limit itself; excess requests queue briefly.",
          unit: "short",
          queries: [
            query("limit", `sum(${selector("overload_limit")})`),
            query("in flight", `sum(${selector("overload_in_flight")})`),
            query("queued", `sum(${selector("overload_queued")})`),
          ],
        },
        {
          title: "Shed requests",
          description:
            "Per second, by priority and reason, or by a route at its maximum. They get a stale response or 503.",
          unit: "reqps",
          shape: "stack",
          queries: [
            query("{{priority}} {{reason}}", rateBy("priority, reason", "overload_shed_total")),
            query("{{http_route}}", rateBy("http_route", "bulkhead_rejected_total")),
          ],
        },
        {
          title: "Concurrency limit by pod",
          description: "A pod with a lower limit than the others is slower than they are.",
          unit: "short",
          queries: [query(POD, byPod("overload_limit"))],
        },
      ],
    },
    {
      title: "Cache",
      panels: [
        {
          title: "Cacheable requests by outcome",
          description: "Per second, by the outcome of the caches in memory and in Redis.",
          unit: "reqps",
          shape: "stack",
          queries: [query("{{outcome}}", rateBy("outcome", "cache_requests_total"))],
        },
        {
          title: "Cached responses in memory",
          description: "Number of entries by pod, bounded by cache.max_size.",
          unit: "short",
          queries: [query(POD, byPod("cache_entries"))],
        },
        {
          title: "Memory of the cached responses",
          description: "Approximate size by pod.",
          unit: "bytes",
          queries: [query(POD, byPod("cache_size_bytes"))],
        },
      ],
    },
    {
      title: "Processes",
      panels: [
        {
          title: "Event loop lag",
          description: "The 99th percentile since the previous scrape, with a resolution of 10 ms.",
          unit: "s",
          thresholds: { yellow: 0.1, red: 0.2 },
          queries: [query(POD, `max by (pod, instance) (${selector("nodejs_eventloop_lag_p99_seconds")})`)],
        },
        {
          title: "CPU by pod",
          description:
            "In cores. A JavaScript thread uses at most one, and garbage collection a little more.",
          unit: "short",
          queries: [query(POD, rateBy("pod, instance", "process_cpu_seconds_total"))],
        },
        {
          title: "Heap in use",
          description: "JavaScript objects by pod, without buffers.",
          unit: "bytes",
          queries: [query(POD, byPod("nodejs_heap_size_used_bytes"))],
        },
        {
          title: "Resident memory",
          description: "Heap, buffers and code by pod. Above its limit, the kernel kills the container.",
          unit: "bytes",
          queries: [query(POD, byPod("process_resident_memory_bytes"))],
        },
        {
          title: "Garbage collection",
          description: "Share of time spent in it, by pod.",
          unit: "percentunit",
          queries: [query(POD, rateBy("pod, instance", "nodejs_gc_duration_seconds_sum"))],
        },
        {
          title: "Dropped telemetry",
          description: "Spans and log lines that were not exported, per second.",
          unit: "short",
          queries: [query("{{signal}} {{reason}}", rateBy("signal, reason", "telemetry_dropped_total"))],
        },
      ],
    },
  ],
};
