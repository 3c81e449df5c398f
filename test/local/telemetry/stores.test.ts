import { describe, expect, it } from "vitest";
import type { LogRecord, Span } from "../../../src/local/telemetry/otlp.ts";
import { createLogStore, createTraceStore, type TraceStore } from "../../../src/local/telemetry/stores.ts";

const span = (traceId: string, spanId: string, name = "x"): Span => ({
  traceId,
  spanId,
  parentSpanId: undefined,
  name,
  kind: "server",
  service: "a",
  instance: undefined,
  startMs: 0,
  endMs: 1,
  durationMs: 1,
  status: "unset",
  statusMessage: "",
  attributes: {},
});

const ids = (store: TraceStore): string[] =>
  store.all().map(({ traceId, spans }) => `${traceId}:${spans.map(({ spanId }) => spanId).join("")}`);

describe("the trace store", () => {
  it("adds late spans to their trace, which keeps its age", () => {
    const store = createTraceStore({ maxTraces: 2 });
    for (const [trace, id] of ["a1", "b1", "a2", "c1"].map((each) => [...each]))
      store.add(span(trace ?? "", id ?? ""));
    expect(ids(store)).toEqual(["b:1", "c:1"]);
    expect(store.get("a")).toBeUndefined();
    store.add(span("b", "2"));
    expect(ids(store)).toEqual(["b:12", "c:1"]);
  });

  it("keeps 500 traces by default", () => {
    const store = createTraceStore();
    for (let index = 0; index < 700; index += 1) store.add(span(`t${index}`, "1"));
    expect(store.size).toBe(500);
    expect(store.all()[0]?.traceId).toBe("t200");
  });

  it("keeps the first spans of a trace and counts the rest", () => {
    const store = createTraceStore({ maxSpans: 2 });
    expect(["1", "2", "3", "4"].map((id) => store.add(span("a", id)))).toEqual([true, true, false, false]);
    expect(store.get("a")).toMatchObject({ spans: [{ spanId: "1" }, { spanId: "2" }], droppedSpans: 2 });
  });

  it("keeps a span that arrives twice once, in its last version", () => {
    const store = createTraceStore({ maxSpans: 2 });
    for (const [id, name] of [
      ["1", "first"],
      ["2", "x"],
      ["1", "again"],
    ] as const) {
      expect(store.add(span("a", id, name))).toBe(true);
    }
    expect(store.get("a")).toMatchObject({ spans: [{ name: "again" }, { name: "x" }], droppedSpans: 0 });
  });

  it("drops the oldest traces when all together are too large", () => {
    const size = JSON.stringify(span("a", "1", "x".repeat(1_000))).length;
    const store = createTraceStore({ maxCharacters: 3 * size });
    for (const trace of ["a", "b", "c"]) store.add(span(trace, "1", "x".repeat(1_000)));
    expect(store.size).toBe(3);
    store.add(span("c", "1", "y".repeat(1_000)));
    expect(store.size).toBe(3);
    store.add(span("c", "2", "x".repeat(1_000)));
    expect(ids(store)).toEqual(["b:1", "c:12"]);
    store.add(span("d", "1", "x".repeat(5_000)));
    expect(ids(store)).toEqual(["d:1"]);
    for (const trace of ["e", "f", "g"]) store.add(span(trace, "1", "x".repeat(1_000)));
    expect(ids(store)).toEqual(["e:1", "f:1", "g:1"]);
  });

  it("returns views that do not change", () => {
    const store = createTraceStore();
    store.add(span("a", "1"));
    const before = store.get("a");
    store.add(span("a", "2"));
    expect(before?.spans).toHaveLength(1);
  });
});

const record = (body: string): LogRecord => ({
  timeMs: 1,
  severityNumber: 9,
  severityText: "INFO",
  eventName: "",
  body,
  traceId: undefined,
  spanId: undefined,
  service: "a",
  attributes: {},
});

it("the log store keeps the newest 1,000 records", () => {
  const store = createLogStore();
  for (let index = 0; index < 1_005; index += 1) store.add(record(String(index)));
  expect(store.all()).toHaveLength(1_000);
  expect(store.all()[0]?.body).toBe("5");
});
