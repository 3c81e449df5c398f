/**
 * A strict limit beside many connections: the Worker in workerd, whose round trips to Redis wait for the isolate's turn.
 * `STRICT_RUNS=10` repeats the measurement and prints its figures; `taskset -c 0` before it puts everything on one core.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { orders } from "#api/contract/limits.ts";
import { sampleProductId } from "#api/origin/sample-data.ts";
import { OPERATOR_SCOPE } from "../../src/contract/policy.ts";
import { inParallel, sendUntil } from "../support/load.ts";
import { type System, startSystem } from "../support/system.ts";

const REQUESTS = 900;
const CONNECTIONS = 100;
const RUNS = Number(process.env["STRICT_RUNS"] ?? 1);
const SCOPES = ["orders:write", OPERATOR_SCOPE];

let system: System;
beforeAll(async () => {
  system = await startSystem({ edgeEnvironment: { RATE_LIMITS: "enforce" } });
});
afterAll(() => system?.stop());

/** How the limit of orders decided, from the field that an operator's request gets. */
const verdictOf = (response: Response): string => {
  const field = response.headers.get("breakwater-limits") ?? "";
  const [, outcome, mode] = /"orders";outcome=(\w+);mode=(\w+)/.exec(field) ?? [];
  return `${outcome} ${mode}`;
};

const order = async (key: string): Promise<Response> => {
  const response = await system.call("/v1/orders", {
    method: "POST",
    key,
    headers: { "breakwater-explain": "limits" },
    json: { lines: [{ productId: sampleProductId(6), quantity: 1 }] },
  });
  await response.arrayBuffer();
  return response;
};

interface Measured {
  readonly admitted: number;
  readonly bound: number;
  /** Requests by outcome and mode. */
  readonly verdicts: Readonly<Record<string, number>>;
}

const measure = async (principal: string): Promise<Measured> => {
  const { key } = await system.createKey(principal, SCOPES);
  const verdicts: Record<string, number> = {};
  let admitted = 0;
  const sinceMs = performance.now();
  await inParallel(Array.from({ length: REQUESTS }), CONNECTIONS, async () => {
    // A POST whose connection ends is not repeated; the edge has rejected the one before it.
    const response = await order(key).catch(() => undefined);
    const verdict = response === undefined ? "no response" : verdictOf(response);
    verdicts[verdict] = (verdicts[verdict] ?? 0) + 1;
    if (verdict.startsWith("passed") && response?.status !== 429) admitted += 1;
  });
  const elapsedS = (performance.now() - sinceMs) / 1_000;
  return { admitted, bound: orders.capacity + orders.refillPerSecond * elapsedS, verdicts };
};

const FLOOD_CONNECTIONS = 60;
const ORDERS_IN_FLOOD = 36;

/** The verdicts of one principal's orders while other clients read at full speed. */
const measureInFlood = async (principal: string): Promise<readonly string[]> => {
  const { key } = await system.createKey(principal, SCOPES);
  let isOver = false;
  const path = `/v1/products/${sampleProductId(1)}`;
  const flood = Array.from({ length: FLOOD_CONNECTIONS }, (_, client) =>
    sendUntil(
      () => isOver,
      (turn) => system.call(path, { headers: { "x-local-client": `192.0.${client}.${turn % 250}` } }),
    ),
  );
  const verdicts: string[] = [];
  for (let turn = 0; turn < ORDERS_IN_FLOOD; turn += 1) verdicts.push(verdictOf(await order(key)));
  isOver = true;
  await Promise.all(flood);
  return verdicts;
};

test("beside a flood of other clients, a principal's strict limit still decides", async () => {
  const verdicts = await measureInFlood("beside-a-flood");
  expect(verdicts.filter((verdict) => !verdict.startsWith("passed"))).toEqual([]);
  if (RUNS > 1) process.stdout.write(`flood: ${verdicts.join(", ")}\n`);
});

test("a strict limit admits no more than its bound over a hundred connections", async () => {
  for (let run = 1; run <= RUNS; run += 1) {
    const { admitted, bound, verdicts } = await measure(`principal-${run}`);
    if (RUNS === 1) expect(admitted).toBeLessThanOrEqual(bound);
    else
      process.stdout.write(
        `${run}: ${admitted} admitted, bound ${bound.toFixed(0)}: ${JSON.stringify(verdicts)}\n`,
      );
  }
});
