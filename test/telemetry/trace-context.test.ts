import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isSampled, requestIdOf, traceIdOf, writeTraceparent } from "../../src/telemetry/trace-context.ts";

const REQUEST_ID = "0190A0B4-1234-4abc-8def-0123456789ab";
const TRACE_ID = "0190a0b412344abc8def0123456789ab";
const SPAN_ID = "00f067aa0ba902b7";

const traceIds = fc.string({
  unit: fc.constantFrom(..."0123456789abcdef"),
  minLength: 32,
  maxLength: 32,
});
const ratios = fc.double({ min: 0, max: 1, noNaN: true });

test("a trace id is the request id in lower case without hyphens", () => {
  expect(traceIdOf(REQUEST_ID)).toBe(TRACE_ID);
  expect(requestIdOf(TRACE_ID)).toBe(REQUEST_ID.toLowerCase());
});

test("a traceparent field has the trace, the span and the sampled flag", () => {
  expect(writeTraceparent(TRACE_ID, SPAN_ID)).toBe(`00-${TRACE_ID}-${SPAN_ID}-01`);
});

describe("sampling", () => {
  test("includes no trace at 0, and all at 1", () => {
    fc.assert(
      fc.property(traceIds, (traceId) => {
        expect(isSampled(traceId, 0)).toBe(false);
        expect(isSampled(traceId, 1)).toBe(true);
      }),
    );
  });

  test("at a larger ratio includes all traces of a smaller one", () => {
    fc.assert(
      fc.property(traceIds, ratios, ratios, (traceId, one, other) => {
        const isIncluded = isSampled(traceId, Math.min(one, other));
        if (isIncluded) expect(isSampled(traceId, Math.max(one, other))).toBe(true);
      }),
    );
  });

  test.each([
    ["00000000", 1 / 2 ** 32, true],
    ["00000001", 1 / 2 ** 32, false],
    ["7fffffff", 0.5, true],
    ["80000000", 0.5, false],
    ["ffffffff", 1 - Number.EPSILON, true],
  ])("depends on the last 32 bits: %s at %d gives %s", (end, ratio, expected) => {
    expect(isSampled(`ffffffffffffffffffffffff${end}`, ratio)).toBe(expected);
  });

  test("includes about the given share of new request ids", () => {
    const total = 4_000;
    const ids = Array.from({ length: total }, () => traceIdOf(crypto.randomUUID()));
    const sampled = ids.filter((id) => isSampled(id, 0.1)).length;
    const tenDeviations = 10 * Math.sqrt(total * 0.1 * 0.9);
    expect(Math.abs(sampled - total * 0.1)).toBeLessThan(tenDeviations);
  });
});
