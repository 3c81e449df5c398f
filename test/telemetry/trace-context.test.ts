import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isSampled, traceIdOf, writeTraceparent } from "../../src/telemetry/trace-context.ts";

const REQUEST_ID = "0190A0B4-1234-4abc-8def-0123456789ab";
const TRACE_ID = "0190a0b412344abc8def0123456789ab";
const SPAN_ID = "00f067aa0ba902b7";

const hexadecimal = (length: number) =>
  fc.string({ unit: fc.constantFrom(..."0123456789abcdef"), minLength: length, maxLength: length });
const aTraceId = hexadecimal(32);
const aRatio = fc.double({ min: 0, max: 1, noNaN: true });

test("a request's id without its hyphens is its trace's, in lower case as W3C Trace Context has it", () => {
  expect(traceIdOf(REQUEST_ID)).toBe(TRACE_ID);
});

test("every new request's id is one of a trace", () => {
  for (let turn = 0; turn < 50; turn += 1) expect(traceIdOf(crypto.randomUUID())).toMatch(/^[0-9a-f]{32}$/);
});

describe("a trace is kept", () => {
  test("by nobody at 0, and by everybody at 1", () => {
    fc.assert(
      fc.property(aTraceId, (traceId) => {
        expect(isSampled(traceId, 0)).toBe(false);
        expect(isSampled(traceId, 1)).toBe(true);
      }),
    );
  });

  test("whoever is asked, the same way: by its id alone", () => {
    fc.assert(
      fc.property(aTraceId, aRatio, (traceId, ratio) => {
        expect(isSampled(traceId, ratio)).toBe(isSampled(traceId, ratio));
      }),
    );
  });

  test("at a larger share wherever it is kept at a smaller one", () => {
    fc.assert(
      fc.property(aTraceId, aRatio, aRatio, (traceId, one, other) => {
        const isKept = isSampled(traceId, Math.min(one, other));
        if (isKept) expect(isSampled(traceId, Math.max(one, other))).toBe(true);
      }),
    );
  });

  test.each([
    ["00000000", 1 / 2 ** 32, true],
    ["00000001", 1 / 2 ** 32, false],
    ["7fffffff", 0.5, true],
    ["80000000", 0.5, false],
    ["ffffffff", 1 - Number.EPSILON, true],
  ])("by its last 32 bits: %s at %d is %s", (end, ratio, isKept) => {
    expect(isSampled(`ffffffffffffffffffffffff${end}`, ratio)).toBe(isKept);
  });

  test("about so often as its share says, of ids as requests have them", () => {
    const turns = 4_000;
    const ids = Array.from({ length: turns }, () => traceIdOf(crypto.randomUUID()));
    const kept = ids.filter((id) => isSampled(id, 0.1)).length;
    // Ten standard deviations to either side.
    const wide = 10 * Math.sqrt(turns * 0.1 * 0.9);
    expect(kept).toBeGreaterThan(turns * 0.1 - wide);
    expect(kept).toBeLessThan(turns * 0.1 + wide);
  });
});

test("what stands between the tiers is told of the trace, and that it is sampled", () => {
  expect(writeTraceparent(TRACE_ID, SPAN_ID)).toBe(`00-${TRACE_ID}-${SPAN_ID}-01`);
});
