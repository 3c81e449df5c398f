/**
 * `npm run bench telemetry`: the cost of logs, metrics and traces per request, at the edge and at the origin. The results
 * are ratios and differences within a round.
 */
import { CleanupStack } from "../../../src/local/cleanup-stack.ts";
import type { Bench } from "../support/bench.ts";
import { machineLine, watchIdle } from "../support/machine.ts";
import { benchEdgeTelemetry } from "./edge.ts";
import { benchOriginTelemetry } from "./origin.ts";

export const benchTelemetry: Bench = async (options) => {
  const idle = watchIdle();
  const edgeStops = new CleanupStack();
  // The edge's servers would disturb the origin's measurement.
  const edge = await benchEdgeTelemetry({ ...options, stops: edgeStops }).finally(() => edgeStops.runAll());
  const origin = await benchOriginTelemetry(options);
  return {
    figures: { ...edge.figures, ...origin.figures },
    report: [edge.report, origin.report, machineLine(idle())].join("\n\n"),
  };
};
