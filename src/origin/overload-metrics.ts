/** What admission does, as metrics. */
import { Counter, Gauge, type Registry } from "prom-client";
import type { LimitGauges } from "../resilience/concurrency-limit/concurrency-limit.ts";
import { PRIORITIES, SHED_REASONS, type Shed } from "../resilience/concurrency-limit/shed.ts";

export interface OverloadMetrics {
  /** Counts one that was shed. */
  readonly onShed: (shed: Shed) => void;
  /** Whose limit is shown. */
  watch(gauges: LimitGauges): void;
}

/** @param registry takes them */
export const createOverloadMetrics = (registry: Registry): OverloadMetrics => {
  const registers = [registry];
  const shed = new Counter({
    name: "overload_shed_total",
    help: "Requests whose work was not begun, by their priority and why",
    labelNames: ["priority", "reason"],
    registers,
  });
  // There from the beginning, so that a rate of them is never missing.
  for (const priority of PRIORITIES) for (const reason of SHED_REASONS) shed.labels(priority, reason).inc(0);
  return {
    onShed: ({ priority, reason }) => shed.labels(priority, reason).inc(),
    watch: (gauges) => {
      const show = (name: string, help: string, value: () => number): void => {
        new Gauge({
          name,
          help,
          registers,
          collect() {
            this.set(value());
          },
        });
      };
      show("overload_limit", "Requests that may be worked on at once", () => gauges.limit);
      show("overload_in_flight", "Requests that are worked on", () => gauges.inFlight);
      show("overload_queued", "Requests that wait for their turn", () => gauges.queued);
    },
  };
};
