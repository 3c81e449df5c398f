/** An origin that ends in the middle of its work: what it has answered it has told of. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Collector, startCollector } from "../support/collector.ts";
import { type System, startSystem } from "../support/system.ts";
import { ORIGIN } from "../support/traces.ts";

const SENDERS = 6;
/** So many are answered before it is told to end. */
const BEFORE = 60;

let collector: Collector;
let system: System;
let key: string;

beforeAll(async () => {
  collector = await startCollector();
  system = await startSystem({ collectorUrl: collector.url });
  key = (await system.createKey("alice")).key;
});
afterAll(async () => {
  await system?.stop();
  await collector?.stop();
});

/** What an earlier one has answered: its lines and spans are there too. */
const earlier: string[] = [];

const withoutHyphens = (id: string): string => id.replaceAll("-", "");

test.each([
  ["one process", "1"],
  ["two processes", "2"],
])("of each answer of %s that are told to end under load there is a span and a line", async (_, workers) => {
  const ending = await system.startOrigin({ WORKERS: workers });
  const edge = await system.startEdge({ ORIGINS: ending.url });
  const answered = new Set<string>();
  const isUnderWay = Promise.withResolvers<void>();
  let isOver = false;
  const work = async (): Promise<void> => {
    while (!isOver) {
      const response = await fetch(`${edge}/v1/orders`, { headers: { authorization: `Bearer ${key}` } });
      await response.arrayBuffer();
      if (response.status === 200) answered.add(withoutHyphens(response.headers.get("x-request-id") ?? ""));
      if (answered.size >= BEFORE) isUnderWay.resolve();
    }
  };
  const load = Promise.all(Array.from({ length: SENDERS }, work));
  try {
    await Promise.race([isUnderWay.promise, load]);
    await ending.stop();
  } finally {
    isOver = true;
  }
  await load;
  expect(await ending.exited).toEqual({ code: 0, signal: null });
  expect(answered.size).toBeGreaterThan(BEFORE);

  const lines = system.logLines.flatMap((line) => {
    if (!line.includes('"message":"request"') || !line.includes('"http.route":"/v1/orders"')) return [];
    const { trace_id: traceId, span_id: spanId, ...entry }: Record<string, unknown> = JSON.parse(line);
    return entry["http.response.status_code"] === 200 ? [`${traceId} ${spanId}`] : [];
  });
  const spans = collector
    .spans()
    .filter(
      ({ service, name, attributes }) =>
        service === ORIGIN && name === "GET /v1/orders" && attributes["http.response.status_code"] === 200,
    )
    .map(({ traceId, spanId }) => `${traceId} ${spanId}`);
  // There is no waiting for either: the process has ended.
  expect(spans.toSorted()).toEqual(lines.toSorted());
  const told = new Set(lines.map((line) => line.slice(0, 32)));
  const all = [...answered, ...earlier];
  expect([...told].toSorted()).toEqual(all.toSorted());
  earlier.push(...answered);
});
