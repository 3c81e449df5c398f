/**
 * An origin that ends under load loses no telemetry. With a collector that is down, hangs or fails, requests are unaffected,
 * lost spans are counted, and all recovers with it.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import type { LocalOrigin } from "../../src/local/origin.ts";
import { metric } from "../support/backing.ts";
import { type Behavior, type Collector, startCollector } from "../support/collector.ts";
import { type System, startSystem } from "../support/system.ts";
import { attemptsOf, EDGE, ORIGIN, rootsOf, servedBy, traceIdOfAnswer } from "../support/traces.ts";

/** An edge, its only origin, and the collector of both. */
interface Line {
  readonly edge: string;
  readonly origin: LocalOrigin;
  readonly collector: Collector;
}

const stops: (() => unknown)[] = [];
let system: System;
let key: string;
let well: Line;
let lines: readonly [Line, Line];

const startLine = async (): Promise<Line> => {
  const collector = await startCollector();
  stops.push(collector.stop);
  const environment = { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url };
  const origin = await system.startOrigin(environment);
  return { collector, origin, edge: await system.startEdge({ ...environment, ORIGINS: origin.url }) };
};

beforeAll(async () => {
  const collector = await startCollector();
  stops.push(collector.stop);
  system = await startSystem({ collectorUrl: collector.url });
  const [origin] = system.origins;
  if (origin === undefined) throw new Error("no origin");
  well = { edge: system.edgeUrl, origin, collector };
  lines = await Promise.all([startLine(), startLine()]);
  key = (await system.createKey("alice")).key;
});
afterAll(async () => {
  await system?.stop();
  for (const stop of stops) await stop();
});

const read = ({ edge }: Pick<Line, "edge">): Promise<Response> =>
  fetch(`${edge}/v1/orders`, { headers: { authorization: `Bearer ${key}` } });

const SENDERS = 6;
/** Responses before SIGTERM. */
const BEFORE = 60;
/** Trace ids of all responses, of both cases. */
const answered: string[] = [];

// First, because the other tests make requests for the same route.
test.each([
  ["one process", "1"],
  ["two processes", "2"],
])("an origin of %s that ends under load exports a span and logs a line for each response", async (_, workers) => {
  const ending = await system.startOrigin({ WORKERS: workers });
  const edge = await system.startEdge({ ORIGINS: ending.url });
  const before = answered.length;
  const isLoaded = Promise.withResolvers<void>();
  let isOver = false;
  const work = async (): Promise<void> => {
    while (!isOver) {
      const response = await read({ edge });
      await response.arrayBuffer();
      if (response.status === 200) answered.push(traceIdOfAnswer(response));
      if (answered.length >= before + BEFORE) isLoaded.resolve();
    }
  };
  const load = Promise.all(Array.from({ length: SENDERS }, work));
  try {
    await Promise.race([isLoaded.promise, load]);
    await ending.stop();
  } finally {
    isOver = true;
  }
  await load;
  expect(await ending.exited).toEqual({ code: 0, signal: null });
  expect(answered.length).toBeGreaterThan(before + BEFORE);

  const entries = system.logLines.flatMap((line) => {
    if (!line.includes('"message":"request"') || !line.includes('"http.route":"/v1/orders"')) return [];
    const { trace_id: traceId, span_id: spanId, ...entry }: Record<string, unknown> = JSON.parse(line);
    return entry["http.response.status_code"] === 200 ? [`${traceId} ${spanId}`] : [];
  });
  const spans = well.collector
    .spans()
    .filter(
      ({ service, name, attributes }) =>
        service === ORIGIN && name === "GET /v1/orders" && attributes["http.response.status_code"] === 200,
    )
    .map(({ traceId, spanId }) => `${traceId} ${spanId}`);
  // Without polling, because the process has ended.
  expect(spans.toSorted()).toEqual(entries.toSorted());
  const logged = new Set(entries.map((each) => each.slice(0, 32)));
  expect([...logged].toSorted()).toEqual(answered.toSorted());
});

const tookMs = async (line: Line): Promise<number> => {
  const fromMs = performance.now();
  const answer = await read(line);
  await answer.arrayBuffer();
  expect(answer.status).toBe(200);
  return performance.now() - fromMs;
};

const median = (values: readonly number[]): number =>
  values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] ?? Number.NaN;

/** The sum of failed spans in a text of metrics, of the series with the label. */
const lostIn = (text: string, label: string): number =>
  metric(text, "telemetry_dropped_total")
    .series.filter((line) =>
      ['signal="traces"', 'reason="export_failed"', label].every((part) => line.includes(part)),
    )
    .reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);

/** Spans that an origin has lost so far, by its own metrics. */
const lostByOrigin = async ({ origin }: Line): Promise<number> =>
  lostIn(await (await fetch(`${origin.adminUrl}/metrics`)).text(), "");

/** Spans that an edge has lost so far, by the metrics that it has exported. */
const lostByEdge = ({ collector }: Line): number => lostIn(collector.metrics.text(), `job="${EDGE}"`);

/** Whether both tiers' spans of a request have arrived. */
const isWhole = ({ collector }: Line, traceId: string): boolean => {
  const spans = collector.traces.get(traceId)?.spans ?? [];
  return rootsOf(spans).length === 1 && attemptsOf(spans).some((each) => servedBy(spans, each) !== undefined);
};

/** Sends requests until the trace of one of them has arrived, because exporters back off. */
const expectBack = async (line: Line): Promise<void> => {
  const ids: string[] = [];
  await expect
    .poll(
      async () => {
        ids.push(traceIdOfAnswer(await read(line)));
        return ids.some((id) => isWhole(line, id));
      },
      { timeout: 30_000, interval: 200 },
    )
    .toBe(true);
};

const TURNS = 40;

test.each<[Behavior, Behavior]>([
  ["away", "hangs"],
  ["fails", "cuts"],
])("requests do not wait for collectors (%s, %s), lost spans are counted, and both lines recover", async (...behaviors) => {
  await Promise.all(lines.map(expectBack));
  const before = await Promise.all(
    lines.map(async (line) => ({ atOrigin: await lostByOrigin(line), atEdge: lostByEdge(line) })),
  );
  await Promise.all(lines.map(({ collector }, index) => collector.behave(behaviors[index] ?? "well")));
  const times: Record<"usual" | "one" | "other", number[]> = { usual: [], one: [], other: [] };
  for (let turn = 0; turn < TURNS; turn += 1) {
    times.usual.push(await tookMs(well));
    times.one.push(await tookMs(lines[0]));
    times.other.push(await tookMs(lines[1]));
  }
  for (const [index, line] of lines.entries()) {
    await expect
      .poll(() => lostByOrigin(line), { timeout: 20_000 })
      .toBeGreaterThan(before[index]?.atOrigin ?? Number.NaN);
    expect((await fetch(`${line.origin.adminUrl}/ready`)).status).toBe(200);
  }
  const mostMs = 2 * median(times.usual);
  expect(median(times.one)).toBeLessThan(mostMs);
  expect(median(times.other)).toBeLessThan(mostMs);

  await Promise.all(lines.map(({ collector }) => collector.behave("well")));
  await Promise.all(lines.map(expectBack));
  for (const [index, line] of lines.entries()) {
    const lostAfterRead = async (): Promise<number> => {
      await read(line);
      return lostByEdge(line);
    };
    await expect
      .poll(lostAfterRead, { timeout: 10_000, interval: 200 })
      .toBeGreaterThan(before[index]?.atEdge ?? Number.NaN);
  }
  expect(await lostByOrigin(well)).toBe(0);
});
