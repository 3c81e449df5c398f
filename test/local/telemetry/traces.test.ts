import { describe, expect, it } from "vitest";
import { createTraceStore, type TraceStore, waterfall } from "../../../src/local/telemetry/traces.ts";

const span = (spanId: string, parentSpanId: string | undefined, startMs: number, durationMs = 1) => ({
  traceId: "t",
  spanId,
  parentSpanId,
  name: spanId,
  kind: "internal" as const,
  service: "a",
  instance: undefined,
  startMs,
  endMs: startMs + durationMs,
  durationMs,
  status: "unset" as const,
  statusMessage: "",
  attributes: {},
});

const drawn = (spans: readonly ReturnType<typeof span>[]) => {
  const { rows, lengthMs } = waterfall({ traceId: "t", spans });
  return {
    rows: rows.map(({ span: { name }, depth, offsetMs }) => `${depth}${name}@${offsetMs}`).join(" "),
    lengthMs,
  };
};

describe("a waterfall", () => {
  it("puts parents before children and orders siblings by start, whatever the order of arrival", () => {
    const spans = [span("d", "b", 4), span("c", "a", 1), span("b", "a", 3), span("a", undefined, 0, 9)];
    expect(drawn(spans)).toEqual({ rows: "0a@0 1c@1 1b@3 2d@4", lengthMs: 9 });
  });

  it("starts at the earliest span, even if that is a child", () => {
    expect(drawn([span("a", undefined, 10, 5), span("b", "a", 7, 20)])).toEqual({
      rows: "0a@3 1b@0",
      lengthMs: 20,
    });
  });

  it("shows spans whose parent is missing at depth 0", () => {
    expect(drawn([span("b", "gone", 2), span("a", undefined, 0), span("c", "b", 3)]).rows).toBe(
      "0a@0 0b@2 1c@3",
    );
  });

  it("shows each span of a cycle once", () => {
    expect(drawn([span("b", "c", 2), span("c", "b", 1), span("d", "d", 5)]).rows).toBe("0c@0 1b@1 0d@4");
  });

  it("can be empty", () => {
    expect(drawn([])).toEqual({ rows: "", lengthMs: 0 });
  });
});

describe("the trace store", () => {
  const add = (store: TraceStore, ...spans: readonly { traceId: string; spanId: string; name?: string }[]) =>
    store.add(spans.map((each) => ({ ...span(each.spanId, undefined, 0), ...each })));
  const ids = (store: TraceStore): string[] =>
    store.all().map(({ traceId, spans }) => `${traceId}:${spans.map(({ spanId }) => spanId).join("")}`);

  it("adds late spans to their trace", () => {
    const store = createTraceStore();
    add(store, { traceId: "a", spanId: "1" }, { traceId: "b", spanId: "1" });
    add(store, { traceId: "a", spanId: "2" });
    expect(ids(store)).toEqual(["a:12", "b:1"]);
  });

  it("keeps 500 traces by default", () => {
    const store = createTraceStore();
    for (let index = 0; index < 700; index += 1) add(store, { traceId: `t${index}`, spanId: "1" });
    expect(store.all()).toHaveLength(500);
    expect([store.get("t199"), store.get("t200")?.traceId]).toEqual([undefined, "t200"]);
  });

  it("keeps a span that arrives twice once, in its last version", () => {
    const store = createTraceStore();
    add(store, { traceId: "a", spanId: "1", name: "first" }, { traceId: "a", spanId: "2", name: "x" });
    add(store, { traceId: "a", spanId: "1", name: "again" });
    expect(store.get("a")).toMatchObject({ spans: [{ name: "again" }, { name: "x" }] });
  });

  it("drops the oldest traces when all together are too large", () => {
    const store = createTraceStore(500, 5_000);
    for (const traceId of ["a", "b", "c"]) add(store, { traceId, spanId: "1", name: "x".repeat(2_000) });
    expect(ids(store)).toEqual(["c:1", "b:1"]);
  });
});
