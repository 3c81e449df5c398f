/** What the contract's limits have said, for Prometheus, where this origin guards. */
import { Counter, type Registry } from "prom-client";
import type { LimitEvent } from "../../middleware/rate-limit/index.ts";

/** @param registry takes them */
export const createLimitMetrics = (registry: Registry): ((event: LimitEvent) => void) => {
  const decisions = new Counter({
    name: "rate_limit_decisions_total",
    help: "What limits said to requests, by what gave the verdict",
    labelNames: ["policy", "outcome", "mode"],
    registers: [registry],
  });
  return ({ result: { limit, outcome, mode } }) => decisions.labels(limit.name, outcome, mode).inc();
};
