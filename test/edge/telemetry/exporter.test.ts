import type { ReadableSpan } from "@opentelemetry/sdk-trace";
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { createTelemetryExporter } from "../../../src/edge/telemetry/exporter.ts";
import type { Signal } from "../../../src/edge/telemetry/metrics.ts";
import { sleep } from "../../../src/lib/async.ts";
import { createMetrics } from "../../../src/telemetry/meter-provider.ts";

const GATHER_MS = 1_000;
const INTERVAL_MS = 10_000;
/** The platform's limit for work after a response. */
const PLATFORM_MS = 30_000;
const HOUR_MS = 3_600_000;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

interface Export {
  readonly signal: Signal;
  readonly body: string;
  readonly atMs: number;
}

const endedSpan = (): ReadableSpan => {
  const exporter = new InMemorySpanExporter();
  const provider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] });
  provider.getTracer("test").startSpan("GET").end();
  const [span] = exporter.getFinishedSpans();
  if (span === undefined) throw new Error("no span");
  return span;
};

/** An isolate's exporter, and its collector. */
const start = (metricIntervalMs = INTERVAL_MS) => {
  const sinceMs = Date.now();
  const exports: Export[] = [];
  const counted: string[] = [];
  let collector: (signal: Signal) => Promise<boolean> = async () => true;
  const { meter, collect } = createMetrics();
  const requests = meter.createCounter("requests");
  const span = endedSpan();
  const exporter = createTelemetryExporter({
    collect,
    counts: {
      exported: (signal, count) => counted.push(`exported ${signal} ${count}`),
      dropped: (signal, reason, count) => counted.push(`dropped ${signal} ${reason} ${count}`),
    },
    send: async (signal, body) => {
      exports.push({ signal, body: new TextDecoder().decode(body), atMs: Date.now() - sinceMs });
      return await collector(signal);
    },
    resource: { "service.name": "breakwater-edge" },
    metricIntervalMs,
    now: () => Date.now(),
  });
  const exportsOf = (signal: Signal) => exports.filter((each) => each.signal === signal);
  return {
    counted,
    /** The sum of the counts whose text starts like this. */
    sumOf: (start: string) =>
      counted
        .filter((each) => each.startsWith(start))
        .reduce((sum, each) => sum + Number(each.split(" ").at(-1)), 0),
    addSpan: () => exporter.addSpan(span),
    collector: (next: typeof collector) => {
      collector = next;
    },
    exportsOf,
    timesOf: (signal: Signal) => exportsOf(signal).map(({ atMs }) => atMs),
    spanCounts: () => exportsOf("traces").map(({ body }) => body.match(/"traceId"/g)?.length),
    requestCounts: () => exportsOf("metrics").map(({ body }) => Number(/"asDouble":(\d+)/.exec(body)?.[1])),
    request: (isSampled = false): void => {
      requests.add(1);
      if (isSampled) exporter.addSpan(span);
      exporter.flush((work) => void work.catch(() => undefined));
    },
  };
};

type Isolate = ReturnType<typeof start>;

const pass = vi.advanceTimersByTimeAsync;

const traffic = async (isolate: Isolate, forMs: number, everyMs: number, isSampled: boolean) => {
  for (let ms = 0; ms < forMs; ms += everyMs) {
    isolate.request(isSampled);
    await pass(everyMs);
  }
};

describe("spans", () => {
  test.each([3, 600])("are exported together, soon after the first: %d", async (count) => {
    const isolate = start();
    for (let turn = 0; turn < count; turn += 1) isolate.request(true);
    await pass(GATHER_MS);
    expect(isolate.spanCounts()).toEqual([count]);
    expect(isolate.counted).toContain(`exported traces ${count}`);
  });

  test("do not wait for the next export of metrics", async () => {
    const isolate = start();
    isolate.request(true);
    await pass(GATHER_MS);
    isolate.request();
    await pass(GATHER_MS);
    isolate.request(true);
    await pass(2 * GATHER_MS);
    expect(isolate.exportsOf("traces")).toHaveLength(2);
  });

  test("that the collector rejects are counted, and not sent again", async () => {
    const isolate = start();
    isolate.collector(async () => false);
    isolate.request(true);
    await pass(GATHER_MS);
    expect(isolate.counted).toContain("dropped traces export_failed 1");
    isolate.collector(async () => true);
    await traffic(isolate, 60_000, 5_000, false);
    expect(isolate.exportsOf("traces")).toHaveLength(1);
  });

  test("beyond the queue's length are counted too", async () => {
    const isolate = start();
    isolate.collector(async () => false);
    for (let turn = 0; turn < 2_100; turn += 1) isolate.addSpan();
    await traffic(isolate, 300_000, 5_000, false);
    expect(isolate.sumOf("dropped traces")).toBe(2_100);
  });

  test("are counted if the platform ends the request that exports them", async () => {
    const isolate = start();
    let calls = 0;
    isolate.collector(async () => {
      calls += 1;
      return calls > 1 || (await new Promise<never>(() => undefined));
    });
    await traffic(isolate, 120_000, 1_000, true);
    await pass(PLATFORM_MS);
    expect(isolate.sumOf("exported traces") + isolate.sumOf("dropped traces")).toBe(120);
  });
});

describe("a collector that is down", () => {
  test("is tried less and less often, up to twice a minute", async () => {
    const isolate = start();
    isolate.collector(async () => false);
    await traffic(isolate, 200_000, 500, true);
    const times = isolate.timesOf("traces");
    const gaps = times.slice(1).map((atMs, index) => atMs - (times[index] ?? 0));
    expect(gaps).toEqual(gaps.toSorted((a, b) => a - b));
    expect(gaps[0]).toBeLessThanOrEqual(2_000);
    for (const gap of gaps.slice(5)) {
      expect(gap).toBeGreaterThanOrEqual(30_000);
      expect(gap).toBeLessThan(32_000);
    }
    expect(gaps.length).toBeGreaterThan(6);
  });

  test("gets the waiting spans after its recovery", async () => {
    const isolate = start();
    isolate.collector(async () => false);
    await traffic(isolate, 100_000, 500, true);
    isolate.collector(async () => true);
    const [dropped, exported] = [isolate.sumOf("dropped"), isolate.sumOf("exported traces")];
    await traffic(isolate, 60_000, 500, true);
    await pass(PLATFORM_MS);
    expect(isolate.sumOf("dropped")).toBe(dropped);
    expect(isolate.sumOf("exported traces") - exported).toBeGreaterThanOrEqual(120);
  });

  test("is called once at a time for each signal if it hangs", async () => {
    const isolate = start();
    const running = { traces: 0, metrics: 0 };
    let most = 0;
    isolate.collector(async (signal) => {
      running[signal] += 1;
      most = Math.max(most, running[signal]);
      await sleep(4_900);
      running[signal] -= 1;
      return true;
    });
    await traffic(isolate, 200_000, 500, true);
    expect(most).toBe(1);
  });
});

describe("metrics", () => {
  test("have the isolate's resource", async () => {
    const isolate = start();
    isolate.request();
    await pass(GATHER_MS);
    expect(JSON.parse(isolate.exportsOf("metrics")[0]?.body ?? "")).toMatchObject({
      resourceMetrics: [
        {
          resource: { attributes: [{ key: "service.name", value: { stringValue: "breakwater-edge" } }] },
          scopeMetrics: [{ metrics: [{ name: "requests", sum: { isMonotonic: true } }] }],
        },
      ],
    });
  });

  test("are exported soon after the first request, and then once per interval, cumulative", async () => {
    const isolate = start();
    await traffic(isolate, 35_000, 500, false);
    expect(isolate.timesOf("metrics")).toEqual([1_000, 11_000, 21_000, 31_000]);
    expect(isolate.requestCounts()).toEqual([2, 22, 42, 62]);
  });

  test("of the last request are exported without another request", async () => {
    const isolate = start();
    isolate.request();
    await pass(2_000);
    isolate.request();
    await pass(PLATFORM_MS);
    expect(isolate.requestCounts()).toEqual([1, 2]);
  });

  test("are not exported again without new requests", async () => {
    const isolate = start();
    isolate.request();
    await pass(10 * INTERVAL_MS);
    expect(isolate.exportsOf("metrics")).toHaveLength(1);
  });

  test("that the collector rejects are part of the next export", async () => {
    const isolate = start();
    isolate.collector(async () => false);
    await traffic(isolate, 2_000, 500, false);
    expect(isolate.counted).toContain("dropped metrics export_failed 1");
    isolate.collector(async () => true);
    await traffic(isolate, 20_000, 500, false);
    expect(isolate.requestCounts().at(-1)).toBeGreaterThan(20);
    expect(isolate.counted).toContain("exported metrics 1");
  });

  test("that the collector rejects are sent again without another request", async () => {
    const isolate = start();
    let calls = 0;
    isolate.collector(async () => {
      calls += 1;
      return calls > 1;
    });
    isolate.request();
    await pass(PLATFORM_MS);
    expect(isolate.exportsOf("metrics")).toHaveLength(2);
  });

  test("are accepted by a collector that rejects spans", async () => {
    const isolate = start();
    isolate.collector(async (signal) => signal === "metrics");
    await traffic(isolate, 300_000, 500, true);
    expect(isolate.sumOf("exported metrics")).toBeGreaterThan(0);
  });

  test("that the collector rejects do not delay spans", async () => {
    const isolate = start();
    isolate.collector(async (signal) => signal === "traces");
    await traffic(isolate, 60_000, 500, true);
    expect(isolate.sumOf("dropped traces")).toBe(0);
  });

  test("are exported after the clock was set back", async () => {
    const isolate = start();
    await traffic(isolate, 2_000, 500, false);
    vi.setSystemTime(Date.now() - HOUR_MS);
    await traffic(isolate, 60_000, 500, false);
    expect(isolate.exportsOf("metrics").length).toBeGreaterThan(1);
  });
});
