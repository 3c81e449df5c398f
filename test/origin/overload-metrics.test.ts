import { Registry } from "prom-client";
import { expect, test } from "vitest";
import { createOverloadMetrics } from "../../src/origin/overload-metrics.ts";

const linesOf = async (registry: Registry): Promise<string[]> =>
  (await registry.metrics()).split("\n").filter((line) => line.startsWith("overload_"));

test("every reason of every priority is there from the beginning", async () => {
  const registry = new Registry();
  createOverloadMetrics(registry);
  const lines = await linesOf(registry);
  expect(lines).toHaveLength(9);
  expect(lines).toContain('overload_shed_total{priority="background",reason="waited_too_long"} 0');
});

test("what is shed is counted, and the gauges show what is at this moment", async () => {
  const registry = new Registry();
  const { onShed, watch } = createOverloadMetrics(registry);
  const gauges = { limit: 12, inFlight: 3, queued: 0 };
  watch(gauges);
  onShed({ priority: "read", reason: "queue_full", atMs: 0 });
  gauges.queued = 2;
  expect(await linesOf(registry)).toEqual(
    expect.arrayContaining([
      'overload_shed_total{priority="read",reason="queue_full"} 1',
      "overload_limit 12",
      "overload_in_flight 3",
      "overload_queued 2",
    ]),
  );
});
