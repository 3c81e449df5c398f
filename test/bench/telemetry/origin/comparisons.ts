/** What is compared at the origin, and what is to be reached. */
import { type Comparison, over } from "../comparison.ts";

/** Between processes, which differ by more than telemetry costs: for microseconds see `in-process.ts`. */
export const ORIGIN_COMPARISONS: readonly Comparison[] = [
  { key: "origin_on_vs_off", cell: "trivial_on_10", base: "trivial_none_0", of: "throughput", atLeast: 0.9 },
  {
    key: "origin_statement_on_vs_off",
    cell: "statement_on_10",
    base: "statement_none_0",
    of: "throughput",
    atLeast: 0.9,
  },
  over("origin_served_sampled_us", "trivial_traces_100", "trivial_none_0", "cpuUs"),
  over("origin_served_unsampled_us", "trivial_traces_0", "trivial_none_0", "cpuUs"),
  over("origin_metrics_us", "trivial_off_0", "trivial_none_0", "cpuUs"),
  over("origin_access_log_us", "trivial_log_0", "trivial_off_0", "cpuUs"),
  over("origin_span_us", "trivial_traces_100", "trivial_traces_0", "cpuUs"),
  over("origin_on_us", "trivial_on_10", "trivial_none_0", "cpuUs"),
  over("origin_statement_metrics_us", "statement_off_0", "statement_none_0", "cpuUs"),
  over("origin_statement_sampled_us", "statement_traces_100", "statement_none_0", "cpuUs"),
];
