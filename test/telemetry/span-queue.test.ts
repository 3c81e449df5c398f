import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createSpanQueue, newSpanId, type Span } from "../../src/telemetry/spans/span.ts";

const spanCalled = (name: string): Span => ({
  traceId: "0190a0b412344abc8def0123456789ab",
  spanId: "00f067aa0ba902b7",
  parentSpanId: undefined,
  name,
  kind: "server",
  startMs: 1,
  endMs: 2,
  attributes: {},
  errorType: undefined,
});
const namesOf = (spans: readonly Span[]): string[] => spans.map(({ name }) => name);

describe("spans that wait", () => {
  test("are taken in the order of their ends", () => {
    const queue = createSpanQueue(10, () => undefined);
    for (const name of ["a", "b", "c"]) queue.add(spanCalled(name));
    expect(queue.length).toBe(3);
    expect(namesOf(queue.takeAll())).toEqual(["a", "b", "c"]);
    expect(queue.length).toBe(0);
    expect(queue.takeAll()).toEqual([]);
  });

  test("are dropped, and counted, where there is no room: those that wait stay", () => {
    let dropped = 0;
    const queue = createSpanQueue(2, () => {
      dropped += 1;
    });
    for (const name of ["a", "b", "c", "d"]) queue.add(spanCalled(name));
    expect(dropped).toBe(2);
    expect(namesOf(queue.takeAll())).toEqual(["a", "b"]);
    queue.add(spanCalled("e"));
    expect(namesOf(queue.takeAll())).toEqual(["e"]);
    expect(dropped).toBe(2);
  });

  test("are what was taken before, whatever is added after", () => {
    const queue = createSpanQueue(10, () => undefined);
    queue.add(spanCalled("a"));
    const taken = queue.takeAll();
    queue.add(spanCalled("b"));
    expect(namesOf(taken)).toEqual(["a"]);
  });

  test("are each taken once or dropped once, and never more wait than may", () => {
    const step = fc.constantFrom("add" as const, "take" as const);
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5 }), fc.array(step), (most, steps) => {
        let dropped = 0;
        let added = 0;
        const taken: Span[] = [];
        const queue = createSpanQueue(most, () => {
          dropped += 1;
        });
        for (const each of steps) {
          if (each === "add") {
            queue.add(spanCalled(String(added)));
            added += 1;
          } else taken.push(...queue.takeAll());
          expect(queue.length).toBeLessThanOrEqual(most);
        }
        taken.push(...queue.takeAll());
        expect(taken.length + dropped).toBe(added);
        const order = taken.map(({ name }) => Number(name));
        expect(order).toEqual(order.toSorted((a, b) => a - b));
      }),
    );
  });
});

describe("a new span's id", () => {
  test("is one, whatever chance gives", () => {
    const chance = fc.oneof(
      fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
      fc.constantFrom(0, 1 - Number.EPSILON / 2),
    );
    fc.assert(
      fc.property(chance, chance, (one, other) => {
        const draws = [one, other];
        const id = newSpanId(() => draws.shift() ?? 0);
        expect(id).toMatch(/^(?!0{16})[0-9a-f]{16}$/);
      }),
    );
  });

  test("is never all zero", () => {
    expect(newSpanId(() => 0)).toBe("0000000000000001");
  });

  test("uses all of its 64 bits", () => {
    expect(newSpanId(() => 1 - Number.EPSILON / 2)).toBe("ffffffffffffffff");
  });
});
