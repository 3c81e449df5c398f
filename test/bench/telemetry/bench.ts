/**
 * `npm run bench telemetry`: what logs, metrics and traces cost a request, at the edge and at the origin. What counts are
 * ratios and differences within a round: whatever else the machine does then, it does to both.
 */
import { availableParallelism, cpus } from "node:os";
import type { Bench } from "../support/bench.ts";
import { watchIdle } from "../support/idle-share.ts";
import { benchEdgeTelemetry } from "./edge/bench.ts";
import { benchOriginTelemetry } from "./origin/bench.ts";

export const benchTelemetry: Bench = async (options) => {
  const idle = watchIdle();
  const edge = await benchEdgeTelemetry(options);
  const origin = await benchOriginTelemetry(options);
  const conditions = `Node ${process.version} on ${availableParallelism()} × ${cpus()[0]?.model ?? "an unknown processor"}; ${(100 * idle()).toFixed(0)} % of the machine was idle`;
  return {
    figures: { ...edge.figures, ...origin.figures },
    report: [edge.report, origin.report, conditions].join("\n\n"),
  };
};
