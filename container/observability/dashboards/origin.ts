/** What the origin's pods do, and how full they are. */
import { chosen, type Dashboard, quantileBy, query, rateBy } from "../panel.ts";

const DURATION = "http_server_request_duration_seconds";
const POD = "{{pod}} {{instance}}";

const byPod = (metric: string, more = ""): string => `sum by (pod, instance) (${chosen(metric, more)})`;

export const origin: Dashboard = {
  uid: "breakwater-origin",
  title: "Breakwater: origin",
  description: "Requests at the origin's pods, what they refuse, and what they use.",
  jobsOf: "http_server_active_requests",
  rows: [
    {
      title: "Requests",
      panels: [
        {
          title: "Requests by route",
          description: "What reaches the pods, a second.",
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
          description: "From the request's head to its answer's.",
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
          description: "Half of the requests take at most so long.",
          unit: "s",
          queries: [
            query(
              "{{http_request_method}} {{http_route}}",
              quantileBy(0.5, "http_request_method, http_route", DURATION),
            ),
          ],
        },
        {
          title: "Answers by status",
          description: "What the edge got, a second.",
          unit: "reqps",
          shape: "stack",
          queries: [
            query("{{http_response_status_code}}", rateBy("http_response_status_code", `${DURATION}_count`)),
          ],
        },
        {
          title: "Requests in flight by pod",
          description: "The autoscaler may go by them: recorded as active_connections.",
          unit: "short",
          queries: [query(POD, byPod("http_server_active_requests"))],
        },
        {
          title: "99th percentile by pod",
          description: "The autoscaler may go by it: recorded as http_request_duration_p99.",
          unit: "s",
          queries: [query(POD, quantileBy(0.99, "pod, instance", DURATION))],
        },
      ],
    },
    {
      title: "Overload",
      panels: [
        {
          title: "Work at a time, and its limit",
          description:
            "Of all pods. The origin finds the limit out by itself; what does not fit waits shortly.",
          unit: "short",
          queries: [
            query("limit", `sum(${chosen("overload_limit")})`),
            query("in flight", `sum(${chosen("overload_in_flight")})`),
            query("queued", `sum(${chosen("overload_queued")})`),
          ],
        },
        {
          title: "Requests whose work was not begun",
          description: "A second, by priority and why. They are answered stale, or 503.",
          unit: "reqps",
          shape: "stack",
          queries: [query("{{priority}} {{reason}}", rateBy("priority, reason", "overload_shed_total"))],
        },
        {
          title: "Limit by pod",
          description: "A pod with a lower one than the others is slower than they are.",
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
          description: "What the caches in memory and in Redis made of them, a second.",
          unit: "reqps",
          shape: "stack",
          queries: [query("{{outcome}}", rateBy("outcome", "cache_requests_total"))],
        },
        {
          title: "Answers in memory",
          description: "By pod; bounded by cache.max_size.",
          unit: "short",
          queries: [query(POD, byPod("cache_entries"))],
        },
        {
          title: "Memory of the answers",
          description: "By pod, roughly.",
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
          description:
            "One turn in a hundred waits so long, since the scrape before; 10 ms are its own resolution.",
          unit: "s",
          alarm: { yellow: 0.1, red: 0.2 },
          queries: [query(POD, `max by (pod, instance) (${chosen("nodejs_eventloop_lag_p99_seconds")})`)],
        },
        {
          title: "CPU by pod",
          description: "Cores. One JavaScript thread takes one, and its collector a little more.",
          unit: "short",
          queries: [query(POD, rateBy("pod, instance", "process_cpu_seconds_total"))],
        },
        {
          title: "Heap in use",
          description: "By pod; what JavaScript keeps, without buffers.",
          unit: "bytes",
          queries: [query(POD, byPod("nodejs_heap_size_used_bytes"))],
        },
        {
          title: "Resident memory",
          description: "By pod: heap, buffers and code. Above the container's limit it is killed.",
          unit: "bytes",
          queries: [query(POD, byPod("process_resident_memory_bytes"))],
        },
        {
          title: "Garbage collection",
          description: "The share of time that it takes, by pod.",
          unit: "percentunit",
          queries: [query(POD, rateBy("pod, instance", "nodejs_gc_duration_seconds_sum"))],
        },
        {
          title: "Telemetry that was lost",
          description: "Spans and lines a second that were not exported.",
          unit: "short",
          queries: [query("{{signal}} {{reason}}", rateBy("signal, reason", "telemetry_dropped_total"))],
        },
      ],
    },
  ],
};
