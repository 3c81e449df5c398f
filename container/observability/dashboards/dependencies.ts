/** PostgreSQL, Redis and the breakers before them. */
import { chosen, type Dashboard, quantileBy, query, rateBy } from "../panel.ts";

const OPERATION = "db_client_operation_duration_seconds";
const ofSystem = (system: string): string => `db_system_name="${system}"`;

export const dependencies: Dashboard = {
  uid: "breakwater-dependencies",
  title: "Breakwater: dependencies",
  description:
    "PostgreSQL and Redis as the origins see them, connections, and the circuit breakers of both tiers.",
  jobsOf: "circuit_breaker_state",
  rows: [
    {
      title: "PostgreSQL",
      panels: [
        {
          title: "Statements by operation",
          description: "What the origins ask PostgreSQL for, a second.",
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
          description: "With the wait for a connection.",
          unit: "s",
          queries: [
            query(
              "{{db_operation_name}}",
              quantileBy(0.99, "db_operation_name", OPERATION, ofSystem("postgresql")),
            ),
          ],
        },
        {
          title: "Statements that failed",
          description: "A second, by the class of error.",
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
          description: "Of all pods; the database has to take that many.",
          unit: "short",
          shape: "stack",
          queries: [
            query(
              "{{db_client_connection_state}}",
              `sum by (db_client_connection_state) (${chosen("db_client_connection_count")})`,
            ),
          ],
        },
        {
          title: "Callers that wait for a connection",
          description: "By pod. Above 0 for long: the pool is too small, or statements are too slow.",
          unit: "short",
          queries: [
            query(
              "{{pod}} {{instance}}",
              `sum by (pod, instance) (${chosen("db_client_connection_pending_requests")})`,
            ),
          ],
        },
        {
          title: "Median by operation",
          description: "Half of the statements take at most so long.",
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
          description: "A second, from the origins.",
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
          description: "Half, and 99 of 100, of the origins' commands take at most so long.",
          unit: "s",
          queries: [
            query("p50", quantileBy(0.5, "", OPERATION, ofSystem("redis"))),
            query("p99", quantileBy(0.99, "", OPERATION, ofSystem("redis"))),
          ],
        },
        {
          title: "Rate limits decided without Redis",
          description: "Of all decisions: modes local, open and closed.",
          unit: "percentunit",
          queries: [
            query(
              "{{job}}",
              `${rateBy("job", "rate_limit_decisions_total", 'mode=~"local|open|closed"')} / ${rateBy("job", "rate_limit_decisions_total")}`,
            ),
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
            "Pods and isolates, at the moment of the scrape. They are open for two seconds at a time.",
          unit: "short",
          queries: [
            query(
              "{{job}} {{dependency}} {{upstream}} {{state}}",
              `sum by (job, dependency, upstream, state) (${chosen("circuit_breaker_state", 'state!="closed"')})`,
            ),
          ],
        },
        {
          title: "Changes of state",
          description:
            "A second, of all pods and isolates. While a dependency is away its breaker opens again every two seconds or so.",
          unit: "short",
          queries: [
            query(
              "{{job}} {{dependency}} {{upstream}} {{state}}",
              rateBy("job, dependency, upstream, state", "circuit_breaker_state_changes_total"),
            ),
          ],
        },
        {
          title: "Calls that were refused at once",
          description: "A second: nobody waited for what was known to be away.",
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
