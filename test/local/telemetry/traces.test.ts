import { describe, expect, it } from "vitest";
import { createTraceStore, waterfall } from "../../../src/local/telemetry/traces.ts";

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

describe("a waterfall", () => {
  it.each([
    [
      "puts parents before children and orders siblings by start, whatever the order of arrival",
      [span("d", "b", 4), span("c", "a", 1), span("b", "a", 3), span("a", undefined, 0, 9)],
      "0a@0 1c@1 1b@3 2d@4 of 9",
    ],
    [
      "starts at the earliest span, even if that is a child",
      [span("a", undefined, 10, 5), span("b", "a", 7, 20)],
      "0a@3 1b@0 of 20",
    ],
    [
      "shows spans whose parent is missing at depth 0",
      [span("b", "gone", 2), span("a", undefined, 0), span("c", "b", 3)],
      "0a@0 0b@2 1c@3 of 4",
    ],
    ["shows each span of a cycle once", [span("b", "c", 2), span("c", "b", 1)], "0c@0 1b@1 of 2"],
    ["can be empty", [], " of 0"],
  ])("%s", (_, spans, expected) => {
    const { rows, lengthMs } = waterfall({ traceId: "t", spans });
    const drawn = rows.map(({ span: { name }, depth, offsetMs }) => `${depth}${name}@${offsetMs}`);
    expect(`${drawn.join(" ")} of ${lengthMs}`).toBe(expected);
  });
});

it("a waterfall may be deeper than a stack", () => {
  const spans = Array.from({ length: 30_000 }, (_, n) => span(`${n}`, n === 0 ? undefined : `${n - 1}`, n));
  const { rows, lengthMs } = waterfall({ traceId: "t", spans });
  expect([rows.length, rows.at(-1)?.depth, lengthMs]).toEqual([30_000, 29_999, 30_000]);
});

it.each([
  ["traces", createTraceStore(2)],
  ["spans", createTraceStore(500, 2)],
])("the store drops the oldest traces when there are too many %s", (_, store) => {
  for (const traceId of ["a", "b", "c"]) store.add([{ ...span("1", undefined, 0), traceId }]);
  expect(store.all().map(({ traceId }) => traceId)).toEqual(["c", "b"]);
});
