import { describe, expect, it } from "vitest";
import { waterfall } from "../../../src/local/telemetry/trace-view.ts";

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
  const { rows, lengthMs } = waterfall({ traceId: "t", spans, droppedSpans: 0 });
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
