import { describe, expect, test } from "vitest";
import { contract } from "../../src/contract/contract.ts";
import { observeServer } from "../../src/origin/metrics/instruments.ts";
import { observeProcess } from "../../src/origin/metrics/process-metrics.ts";
import { createTotals as createTotalsOf } from "../../src/origin/metrics/totals.ts";
import { createRequestMetrics } from "../../src/telemetry/instruments.ts";
import type { CollectedMetrics } from "../../src/telemetry/meter-provider.ts";
import { testMetrics } from "../support/metrics.ts";

const createTotals = () => createTotalsOf({ serviceName: "test-origin", serviceVersion: "1.2.3" });

/** A process's metrics, and a function that counts a request. */
const createProcess = () => {
  const metrics = testMetrics();
  observeProcess(metrics.meter);
  observeServer(metrics.meter, () => ({ total: 5, idle: 2, waiting: 7 }), { inFlight: 3 });
  const observe = createRequestMetrics(metrics.meter);
  return { ...metrics, observe, request: () => observe(contract.listProducts, 200, 20) };
};

const linesOf = (text: string, name: string): string[] =>
  text.split("\n").filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
const sumOf = (text: string, name: string): number =>
  linesOf(text, name).reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);

const COUNT = "http_server_request_duration_seconds_count";
const ACTIVE = "http_server_active_requests";

describe("the metrics of a process", () => {
  test("include the service, the active requests and the connections to PostgreSQL", async () => {
    const text = await createProcess().text();
    expect(text.split("\n")).toEqual(
      expect.arrayContaining([
        'target_info{service_name="test-origin",service_version="1.2.3"} 1',
        `${ACTIVE} 3`,
        'db_client_connection_count{db_client_connection_state="idle"} 2',
        'db_client_connection_count{db_client_connection_state="used"} 3',
        "db_client_connection_pending_requests 7",
      ]),
    );
    expect(text).toMatch(/^process_cpu_seconds_total /m);
    expect(linesOf(text, COUNT)).toEqual([]);
  });

  test("count requests by method, route and status, in seconds", async () => {
    const { text: textOf, observe } = createProcess();
    observe(contract.getProduct, 200, 20);
    observe(contract.getProduct, 200, 30);
    observe(contract.getProduct, 404, 5);
    observe(contract.placeOrder, 201, 1_500);
    const text = await textOf();
    expect(linesOf(text, COUNT).sort()).toEqual([
      `${COUNT}{http_request_method="GET",http_route="/v1/products/:id",http_response_status_code="200"} 2`,
      `${COUNT}{http_request_method="GET",http_route="/v1/products/:id",http_response_status_code="404"} 1`,
      `${COUNT}{http_request_method="POST",http_route="/v1/orders",http_response_status_code="201"} 1`,
    ]);
    expect(sumOf(text, "http_server_request_duration_seconds_sum")).toBeCloseTo(1.555);
  });
});

describe("the metrics of several processes", () => {
  /** As it arrives from another process. */
  const reportOf = async ({ collect }: { collect(): Promise<CollectedMetrics> }): Promise<CollectedMetrics> =>
    JSON.parse(JSON.stringify(await collect()));

  test("are merged: counts are summed, and information appears once", async () => {
    const [one, other] = [createProcess(), createProcess()];
    one.request();
    other.request();
    other.observe(contract.listOrders, 403, 1);
    const reports = new Map([
      [1, await reportOf(one)],
      [2, await reportOf(other)],
    ]);
    const text = createTotals().text(reports);
    expect(sumOf(text, COUNT)).toBe(3);
    expect(linesOf(text, COUNT)).toHaveLength(2);
    expect(sumOf(text, ACTIVE)).toBe(6);
    expect(sumOf(text, "db_client_connection_count")).toBe(10);
    expect(sumOf(text, "target_info")).toBe(1);
  });

  test("have the same format as those of one process", async () => {
    const process = createProcess();
    process.request();
    const sorted = (text: string) =>
      text
        .split("\n")
        .filter((line) => line.startsWith("http_server"))
        .sort();
    const text = createTotals().text(new Map([[1, await reportOf(process)]]));
    expect(sorted(text)).toEqual(sorted(await process.text()));
  });

  test("do not shrink when processes end, whose current values end too", async () => {
    const totals = createTotals();
    const steady = createProcess();
    for (let generation = 1; generation <= 5; generation += 1) {
      const each = createProcess();
      each.request();
      const reports = new Map([
        [0, await reportOf(steady)],
        [generation, await reportOf(each)],
      ]);
      const text = totals.text(reports);
      expect(sumOf(text, COUNT)).toBe(generation);
      expect(sumOf(text, ACTIVE)).toBe(6);
    }
    expect([1, 2, 3].map(() => sumOf(totals.text(new Map()), COUNT))).toEqual([5, 5, 5]);
  });

  test("lose the up-down counters of a process that has ended", async () => {
    const totals = createTotals();
    const metrics = testMetrics();
    metrics.meter.createUpDownCounter("shop.carts").add(3);
    metrics.meter.createCounter("shop.sales").add(2);
    totals.text(new Map([[1, await reportOf(metrics)]]));
    const text = totals.text(new Map());
    expect(sumOf(text, "shop_carts")).toBe(0);
    expect(sumOf(text, "shop_sales_total")).toBe(2);
  });

  test("with the same name are one metric", async () => {
    const metrics = testMetrics();
    metrics.meter.createCounter("cache.requests").add(1, { outcome: "hit" });
    metrics.provider.getMeter("shop").createCounter("cache.requests").add(2, { outcome: "hit" });
    const text = createTotals().text(new Map([[1, await reportOf(metrics)]]));
    expect(linesOf(text, "cache_requests_total")).toEqual(['cache_requests_total{outcome="hit"} 3']);
  });

  test("keep the last report of a process that does not respond", async () => {
    const totals = createTotals();
    const process = createProcess();
    process.request();
    totals.text(new Map([[1, await reportOf(process)]]));
    const silent = totals.text(new Map([[1, undefined]]));
    expect(sumOf(silent, COUNT)).toBe(1);
    expect(sumOf(silent, ACTIVE)).toBe(3);
    process.request();
    expect(sumOf(totals.text(new Map([[1, await reportOf(process)]])), COUNT)).toBe(2);
  });

  test("have the resource's attributes in target_info", async () => {
    const service = { serviceName: "shop", serviceVersion: "1", resourceAttributes: { team: "shop,web" } };
    const text = createTotalsOf(service).text(new Map([[1, await reportOf(createProcess())]]));
    expect(text).toContain('target_info{team="shop,web",service_name="shop",service_version="1"} 1');
  });

  test("of no processes are empty", () => {
    expect(createTotals().text(new Map())).toBe("");
  });
});
