import type { ReadableSpan } from "@opentelemetry/sdk-trace";
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { createTelemetryExporter } from "../../../src/edge/telemetry/exporter.ts";
import type { Signal } from "../../../src/edge/telemetry/metrics.ts";
import { createMetrics } from "../../../src/telemetry/meter-provider.ts";

const GATHER_MS = 1_000;
const INTERVAL_MS = 10_000;
/** The platform lets work go on after a response for half a minute. */
const PLATFORM_MS = 30_000;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

interface Sent {
  readonly signal: Signal;
  readonly body: string;
  readonly atMs: number;
}

/** A span that has ended. */
const endedSpan = (): ReadableSpan => {
  const exporter = new InMemorySpanExporter();
  const provider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] });
  provider.getTracer("test").startSpan("GET").end();
  const [span] = exporter.getFinishedSpans();
  if (span === undefined) throw new Error("no span");
  return span;
};

/** An isolate's exporter, and a collector that answers as the test says. */
const start = (metricIntervalMs = INTERVAL_MS) => {
  const sinceMs = Date.now();
  const sent: Sent[] = [];
  const told: string[] = [];
  let collector: (signal: Signal) => Promise<boolean> = async () => true;
  const { meter, collect } = createMetrics();
  const requests = meter.createCounter("requests");
  const span = endedSpan();
  const exporter = createTelemetryExporter({
    collect,
    counts: {
      exported: (signal, count) => told.push(`exported ${signal} ${count}`),
      dropped: (signal, reason, count) => told.push(`dropped ${signal} ${reason} ${count}`),
    },
    send: async (signal, body) => {
      sent.push({ signal, body: new TextDecoder().decode(body), atMs: Date.now() - sinceMs });
      return await collector(signal);
    },
    resource: { "service.name": "breakwater-edge" },
    metricIntervalMs,
    now: () => Date.now(),
  });
  return {
    told,
    span: () => exporter.addSpan(span),
    collector: (next: typeof collector) => {
      collector = next;
    },
    of: (signal: Signal) => sent.filter((each) => each.signal === signal),
    /** One that has its response. @param isSampled whether it leaves a span */
    request: (isSampled = false): void => {
      requests.add(1);
      if (isSampled) exporter.addSpan(span);
      exporter.flush((work) => void work.catch(() => undefined));
    },
  };
};

type Isolate = ReturnType<typeof start>;

const passing = vi.advanceTimersByTimeAsync;

/** So often one asks, for so long. */
const traffic = async (
  isolate: Isolate,
  forMs: number,
  everyMs: number,
  isSampled: boolean,
): Promise<void> => {
  for (let ms = 0; ms < forMs; ms += everyMs) {
    isolate.request(isSampled);
    await passing(everyMs);
  }
};

const requestsIn = ({ body }: Sent): number => Number(/"asDouble":(\d+)/.exec(body)?.[1]);

describe("spans", () => {
  test("are sent together, soon after the first one", async () => {
    const isolate = start();
    for (let turn = 0; turn < 3; turn += 1) isolate.request(true);
    await passing(GATHER_MS);
    const [first, ...others] = isolate.of("traces");
    expect(others).toEqual([]);
    expect(first?.body.match(/"traceId"/g)).toHaveLength(3);
    expect(isolate.told).toContain("exported traces 3");
  });

  test("are sent though metrics are not due", async () => {
    const isolate = start(3_600_000);
    isolate.request();
    await passing(GATHER_MS);
    expect(isolate.of("metrics")).toHaveLength(1);
    isolate.request(true);
    await passing(GATHER_MS);
    expect(isolate.of("traces")).toHaveLength(1);
    expect(isolate.of("metrics")).toHaveLength(1);
  });

  test("go out together, however many wait", async () => {
    const isolate = start();
    for (let turn = 0; turn < 600; turn += 1) isolate.span();
    isolate.request();
    await passing(2 * GATHER_MS);
    expect(isolate.of("traces").map(({ body }) => body.match(/"traceId"/g)?.length)).toEqual([600]);
  });

  test("are sent as soon where the isolate waits to send metrics", async () => {
    const isolate = start();
    isolate.request(true);
    await passing(GATHER_MS);
    isolate.request();
    await passing(GATHER_MS);
    isolate.request(true);
    await passing(2 * GATHER_MS);
    expect(isolate.of("traces")).toHaveLength(2);
  });

  test("are not dropped while the collector takes all that it is sent", async () => {
    const isolate = start();
    await traffic(isolate, 12_000, 4, true);
    expect(isolate.told.filter((each) => each.startsWith("dropped"))).toEqual([]);
  });

  test("that the collector does not take are counted, and not sent again", async () => {
    const isolate = start();
    isolate.collector(async () => false);
    isolate.request(true);
    await passing(GATHER_MS);
    expect(isolate.told).toContain("dropped traces export_failed 1");
    isolate.collector(async () => true);
    await traffic(isolate, 60_000, 5_000, false);
    expect(isolate.of("traces")).toHaveLength(1);
  });

  test("that find no room while the collector is away are counted too: none is unaccounted for", async () => {
    const isolate = start();
    isolate.collector(async () => false);
    for (let turn = 0; turn < 2_100; turn += 1) isolate.span();
    await traffic(isolate, 300_000, 5_000, false);
    const dropped = isolate.told
      .filter((each) => each.startsWith("dropped traces"))
      .reduce((sum, each) => sum + Number(each.split(" ").at(-1)), 0);
    expect(dropped).toBe(2_100);
  });
});

describe("a collector that is away", () => {
  test("is asked less and less often, up to twice a minute", async () => {
    const isolate = start();
    isolate.collector(async () => false);
    await traffic(isolate, 200_000, 500, true);
    const times = isolate.of("traces").map(({ atMs }) => atMs);
    const gaps = times.slice(1).map((atMs, index) => atMs - (times[index] ?? 0));
    expect(gaps).toEqual(gaps.toSorted((a, b) => a - b));
    expect(gaps[0]).toBeLessThanOrEqual(2_000);
    for (const gap of gaps.slice(5)) {
      expect(gap).toBeGreaterThanOrEqual(30_000);
      expect(gap).toBeLessThan(32_000);
    }
    expect(gaps.length).toBeGreaterThan(6);
  });

  test("costs nothing any more once it is back, and is told of what has waited meanwhile", async () => {
    const isolate = start();
    isolate.collector(async () => false);
    await traffic(isolate, 100_000, 500, true);
    isolate.collector(async () => true);
    const toldBefore = isolate.told.length;
    await traffic(isolate, 60_000, 500, true);
    await passing(PLATFORM_MS);
    const since = isolate.told.slice(toldBefore);
    expect(since.filter((each) => each.startsWith("dropped"))).toEqual([]);
    const exported = since.filter((each) => each.startsWith("exported traces"));
    expect(exported.reduce((sum, each) => sum + Number(each.split(" ").at(-1)), 0)).toBeGreaterThanOrEqual(
      120,
    );
  });

  test("that hangs is asked by one request at a time", async () => {
    const isolate = start();
    const waiting = { traces: 0, metrics: 0 };
    let most = 0;
    isolate.collector(async (signal) => {
      waiting[signal] += 1;
      most = Math.max(most, waiting[signal]);
      await new Promise((resolve) => setTimeout(resolve, 4_900));
      waiting[signal] -= 1;
      return true;
    });
    await traffic(isolate, 200_000, 500, true);
    expect(most).toBe(1);
  });
});

test("spans that are on their way when the platform ends their request are counted", async () => {
  const isolate = start();
  let asked = 0;
  isolate.collector(async () => {
    asked += 1;
    return asked > 1 || (await new Promise<never>(() => undefined));
  });
  await traffic(isolate, 120_000, 1_000, true);
  await passing(PLATFORM_MS);
  const told = isolate.told.filter((each) => each.includes("traces"));
  expect(told.reduce((sum, each) => sum + Number(each.split(" ").at(-1)), 0)).toBe(120);
});

describe("metrics", () => {
  test("are those of the isolate's resource", async () => {
    const isolate = start();
    isolate.request();
    await passing(GATHER_MS);
    expect(JSON.parse(isolate.of("metrics")[0]?.body ?? "")).toMatchObject({
      resourceMetrics: [
        {
          resource: { attributes: [{ key: "service.name", value: { stringValue: "breakwater-edge" } }] },
          scopeMetrics: [{ metrics: [{ name: "requests", sum: { isMonotonic: true } }] }],
        },
      ],
    });
  });

  test("are sent soon after the first request, then once an interval", async () => {
    const isolate = start();
    await traffic(isolate, 35_000, 500, false);
    expect(isolate.of("metrics").map(({ atMs }) => atMs)).toEqual([1_000, 11_000, 21_000, 31_000]);
  });

  test("hold all that was counted until then", async () => {
    const isolate = start();
    await traffic(isolate, 12_000, 500, false);
    expect(isolate.of("metrics").map(requestsIn)).toEqual([2, 22]);
  });

  test("of the last request are sent though none comes any more", async () => {
    const isolate = start();
    isolate.request();
    await passing(2_000);
    isolate.request();
    await passing(PLATFORM_MS);
    expect(isolate.of("metrics").map(requestsIn)).toEqual([1, 2]);
  });

  test("are not sent where no request has come since", async () => {
    const isolate = start();
    isolate.request();
    await passing(10 * INTERVAL_MS);
    expect(isolate.of("metrics")).toHaveLength(1);
  });

  test("that were not taken are in the next set: cumulative, nothing is lost", async () => {
    const isolate = start();
    isolate.collector(async () => false);
    await traffic(isolate, 2_000, 500, false);
    expect(isolate.told).toContain("dropped metrics export_failed 1");
    isolate.collector(async () => true);
    await traffic(isolate, 20_000, 500, false);
    expect(isolate.of("metrics").map(requestsIn).at(-1)).toBeGreaterThan(20);
    expect(isolate.told).toContain("exported metrics 1");
  });

  test("that were not taken are sent again though no request comes any more", async () => {
    const isolate = start();
    let answers = 0;
    isolate.collector(async () => {
      answers += 1;
      return answers > 1;
    });
    isolate.request();
    await passing(PLATFORM_MS);
    expect(isolate.of("metrics")).toHaveLength(2);
  });

  test("are sent to a collector that takes no spans", async () => {
    const isolate = start();
    isolate.collector(async (signal) => signal === "metrics");
    await traffic(isolate, 300_000, 500, true);
    expect(isolate.of("metrics")).not.toEqual([]);
  });

  test("are the only ones to suffer where the collector takes none of them", async () => {
    const isolate = start();
    isolate.collector(async (signal) => signal === "traces");
    await traffic(isolate, 60_000, 500, true);
    expect(isolate.told.filter((each) => each.startsWith("dropped traces"))).toEqual([]);
  });

  test("are sent though the clock was set back", async () => {
    const isolate = start();
    await traffic(isolate, 2_000, 500, false);
    vi.setSystemTime(Date.now() - 3_600_000);
    await traffic(isolate, 60_000, 500, false);
    expect(isolate.of("metrics").length).toBeGreaterThan(1);
  });
});

test("nothing is begun that the platform would end: what it holds would be lost, and not counted", async () => {
  const isolate = start();
  isolate.collector(async () => {
    await new Promise((resolve) => setTimeout(resolve, 4_900));
    return true;
  });
  await traffic(isolate, 60_000, 500, true);
  const runs = isolate.of("metrics").map(({ atMs }) => atMs % 25_000);
  expect(runs.length).toBeGreaterThan(0);
  // The first run is that of the first request: what it sends last has to have its answer within the half minute.
  const lastOfFirst = isolate.of("metrics").findLast(({ atMs }) => atMs < PLATFORM_MS + 5_000);
  expect((lastOfFirst?.atMs ?? 0) + 4_900).toBeLessThanOrEqual(PLATFORM_MS);
});
