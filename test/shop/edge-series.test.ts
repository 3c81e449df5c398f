/** How many series an isolate of the edge adds to Prometheus. docs/telemetry.md computes with the number. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { sampleProductId } from "#api/origin/sample-data.ts";
import { projectFolder } from "../../src/local/state-dir.ts";
import { startTelemetryReceiver, type TelemetryReceiver } from "../../src/local/telemetry/receiver.ts";
import { fetchRead } from "../support/fetch.ts";
import { type CallInit, type System, startSystem } from "../support/system.ts";

let receiver: TelemetryReceiver;
let system: System;

beforeAll(async () => {
  receiver = await startTelemetryReceiver({ port: 0 });
  const edgeEnvironment = { RATE_LIMITS: "enforce", OTEL_METRIC_EXPORT_INTERVAL: "1000" };
  system = await startSystem({ collectorUrl: receiver.url, edgeEnvironment });
});
afterAll(async () => {
  await system?.stop();
  await receiver?.stop();
});

/** Each route with its everyday responses. */
const requests = (key: string): readonly (readonly [path: string, init?: CallInit])[] => {
  const order = { lines: [{ productId: sampleProductId(1), quantity: 1 }] };
  const product = { name: "Lamp", priceCents: 1_000, stock: 1 };
  const id = crypto.randomUUID();
  return [
    ["/v1/products"],
    ["/v1/products"],
    ["/v1/products?limit=nonsense"],
    [`/v1/products/${sampleProductId(1)}`],
    [`/v1/products/${id}`],
    ["/v1/products", { method: "POST", key, json: product }],
    [`/v1/products/${id}`, { method: "PATCH", key, json: { stock: 2 } }],
    ["/v1/orders", { key }],
    ["/v1/orders"],
    ["/v1/orders", { method: "POST", key, json: order }],
    ["/v1/orders", { method: "POST", key, json: {} }],
    [`/v1/orders/${id}`, { key }],
    [`/v1/orders/${id}/cancel`, { method: "POST", key }],
    ["/v1/nothing"],
    ["/.env"],
  ];
};

const seriesOfEdge = async (): Promise<readonly string[]> =>
  (await (await fetchRead(`${receiver.url}/metrics`)).text())
    .split("\n")
    .filter((line) => line.includes('job="breakwater-edge"'));

test("an isolate that serves every route has as many series as the documentation says, within a quarter", async () => {
  const { key } = await system.createKey("alice");
  const calls = requests(key);
  for (const [path, init] of calls) await system.call(path, init);
  const counted = async () =>
    (await seriesOfEdge())
      .filter((line) => line.startsWith("http_server_request_duration_seconds_count"))
      .reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
  await expect.poll(counted, { timeout: 30_000 }).toBeGreaterThanOrEqual(calls.length);
  const page = readFileSync(join(projectFolder, "docs/telemetry.md"), "utf8");
  const documented = Number(/about (\d+)\s+series/.exec(page)?.[1]);
  const { length } = await seriesOfEdge();
  expect(length).toBeGreaterThan(0.75 * documented);
  expect(length).toBeLessThan(1.25 * documented);
});
