/** What is compared at the edge, and what is to be reached. */
import { type Comparison, over } from "../comparison.ts";

export const EDGE_COMPARISONS: readonly Comparison[] = [
  { key: "edge_on_vs_off", cell: "on", base: "off", of: "throughput", atLeast: 0.9 },
  over("edge_on_vs_none", "on", "none", "throughput"),
  over("edge_counting_us", "off", "none", "cpuUs"),
  over("edge_metrics_us", "metrics", "off", "cpuUs"),
  over("edge_traces_10_us", "traces_10", "metrics", "cpuUs"),
  over("edge_traces_100_us", "traces_100", "metrics", "cpuUs"),
  over("edge_access_log_us", "log", "off", "cpuUs"),
  over("edge_on_cpu_vs_off", "on", "off", "cpu"),
];

/** Ours beside a package's: all requests sampled, nothing of the log. */
export const PACKAGE_COMPARISONS: readonly Comparison[] = [
  over("console_line_us", "bare_line", "bare", "cpuUs"),
  over("edge_traces_100_cpu_vs_off", "traces_100", "off", "cpu"),
  over("package_0_cpu_vs_bare", "package_0", "bare", "cpu"),
  over("package_10_cpu_vs_bare", "package_10", "bare", "cpu"),
  over("package_100_cpu_vs_bare", "package_100", "bare", "cpu"),
  over("package_100_us", "package_100", "bare", "cpuUs"),
];
