/** PostgreSQL, Redis and the circuit breakers. */
import { type Dashboard, quantileBy, query, rateBy, selector, shareBy } from "../panel.ts";

const OPERATION = "db_client_operation_duration_seconds";
const ofSystem = (system: string): string => `db_system_name="${system}"`;

export const dependencies: Dashboard = {
  uid: "breakwater-dependencies",
  title: "Breakwater: dependencies",
  description:
    "PostgreSQL and Redis as seen from the origins, connections, and the circuit breakers of both tiers.",
  jobMetric: "circuit_breaker_state",
  rows: [
    {
      title: "PostgreSQL",
      panels: [
        {
          title: "Statements by operation",
          description: "Statements that the origins run, per second.",
          unit: "reqps",
          queries: [
            query(
              "{{db_operation_name}}",
              rateBy("db_operation_name", `${OPERATION}_count`, ofSystem("postgresql")),
            ),
          ],
        },
        {
          title: "99th percentile by operation",
          description: "Includes the wait for a connection.",
          unit: "s",
          queries: [
            query(
              "{{db_operation_name}}",
              quantileBy(0.99, "db_operation_name", OPERATION, ofSystem("postgresql")),
            ),
          ],
        },
        {
          title: "Failed statements",
          description: "Per second, by error class.",
          unit: "reqps",
          queries: [
            query(
              "{{db_operation_name}} {{error_type}}",
              rateBy(
                "db_operation_name, error_type",
                `${OPERATION}_count`,
                `${ofSystem("postgresql")}, error_type!=""`,
              ),
            ),
          ],
        },
        {
          title: "Connections by state",
          description: "Over all pods. The database must accept this many.",
          unit: "short",
          shape: "stack",
          queries: [
            query(
              "{{db_client_connection_state}}",
              `sum by (db_client_connection_state) (${selector("db_client_connection_count")})`,
            ),
          ],
        },
        {
          title: "Callers waiting for a connection",
          description: "By pod. If above 0 for long, the pool is too small or statements are too slow.",
          unit: "short",
          queries: [
            query(
              "{{pod}} {{instance}}",
              `sum by (pod, instance) (${selector("db_client_connection_pending_requests")})`,
            ),
          ],
        },
        {
          title: "Median by operation",
          description: "Half of the statements take at most this long.",
          unit: "s",
          queries: [
            query(
              "{{db_operation_name}}",
              quantileBy(0.5, "db_operation_name", OPERATION, ofSystem("postgresql")),
            ),
          ],
        },
      ],
    },
    {
      title: "Redis",
      panels: [
        {
          title: "Commands by operation",
          description: "Commands that the origins send, per second.",
          unit: "reqps",
          queries: [
            query(
              "{{db_operation_name}}",
              rateBy("db_operation_name", `${OPERATION}_count`, ofSystem("redis")),
            ),
          ],
        },
        {
          title: "Latency",
          description: "The median and the 99th percentile of the origins' commands.",
          unit: "s",
          queries: [
            query("p50", quantileBy(0.5, "", OPERATION, ofSystem("redis"))),
            query("p99", quantileBy(0.99, "", OPERATION, ofSystem("redis"))),
          ],
        },
        {
          title: "Rate limits decided without Redis",
          description: "Share of decisions in the modes local, open and closed.",
          unit: "percentunit",
          queries: [
            query("{{job}}", shareBy("job", "rate_limit_decisions_total", 'mode=~"local|open|closed"')),
          ],
        },
      ],
    },
    {
      title: "Circuit breakers",
      panels: [
        {
          title: "Breakers that are not closed",
          description:
            "Pods and isolates at the time of the scrape. A breaker is open for at most two seconds at a time.",
          unit: "short",
          queries: [
            query(
              "{{job}} {{dependency}} {{upstream}} {{state}}",
              `sum by (job, dependency, upstream, state) (${selector("circuit_breaker_state", 'state!="closed"')})`,
            ),
          ],
        },
        {
          title: "State changes",
          description:
            "Per second, over all pods and isolates. While a dependency is down, its breaker opens about every two seconds.",
          unit: "short",
          queries: [
            query(
              "{{job}} {{dependency}} {{upstream}} {{state}}",
              rateBy("job, dependency, upstream, state", "circuit_breaker_state_changes_total"),
            ),
          ],
        },
        {
          title: "Rejected calls",
          description:
            "Calls per second that an open breaker rejected immediately; of an origin, requests that no other origin got.",
          unit: "reqps",
          queries: [
            query(
              "{{job}} {{dependency}} {{upstream}}",
              rateBy("job, dependency, upstream", "circuit_breaker_rejections_total"),
            ),
          ],
        },
      ],
    },
  ],
};
