import { describe, expect, it } from "vitest";
import type { Span } from "../../../src/local/telemetry/otlp-spans.ts";
import { createTraceStore, type TraceStore } from "../../../src/local/telemetry/trace-store.ts";

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

describe("a store of traces", () => {
  it("puts late spans to their trace, which does not get younger by it", () => {
    const store = createTraceStore({ maxTraces: 2 });
    for (const [trace, id] of ["a1", "b1", "a2", "c1"].map((each) => [...each]))
      store.add(span(trace ?? "", id ?? ""));
    expect(ids(store)).toEqual(["b:1", "c:1"]);
    expect(store.get("a")).toBeUndefined();
    store.add(span("b", "2"));
    expect(ids(store)).toEqual(["b:12", "c:1"]);
  });

  it("has room for 500 traces where nothing else is said", () => {
    const store = createTraceStore();
    for (let index = 0; index < 700; index += 1) store.add(span(`t${index}`, "1"));
    expect(store.size).toBe(500);
    expect(store.all()[0]?.traceId).toBe("t200");
  });

  it("keeps the first spans of a trace, and counts the others", () => {
    const store = createTraceStore({ maxSpans: 2 });
    expect(["1", "2", "3", "4"].map((id) => store.add(span("a", id)))).toEqual([true, true, false, false]);
    expect(store.get("a")).toMatchObject({ spans: [{ spanId: "1" }, { spanId: "2" }], droppedSpans: 2 });
  });

  it("has a span that was sent twice once, as it was sent last", () => {
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

  it("gives the oldest traces up where all of them together are too large", () => {
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

  it("finds the trace begun last whose id begins so", () => {
    const store = createTraceStore();
    for (const trace of ["abc", "abd", "xbe"]) store.add(span(trace, "1"));
    expect(["ab", "abc", "b", "abcd"].map((beginning) => store.find(beginning)?.traceId)).toEqual([
      "abd",
      "abc",
      undefined,
      undefined,
    ]);
  });

  it("gives out views that do not change", () => {
    const store = createTraceStore();
    store.add(span("a", "1"));
    const before = store.get("a");
    store.add(span("a", "2"));
    expect(before?.spans).toHaveLength(1);
  });
});
