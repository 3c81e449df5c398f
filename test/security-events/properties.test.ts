import fc from "fast-check";
import { expect, test } from "vitest";
import { type Batch, createAggregator } from "../../src/security-events/aggregator.ts";
import { type Counts, sanitize } from "../../src/security-events/event.ts";
import { countingIds, refused } from "./support.ts";

type Step =
  | { readonly kind: "add"; readonly client: number; readonly times: number }
  | { readonly kind: "pass"; readonly ms: number }
  | { readonly kind: "take"; readonly most: number }
  | { readonly kind: "settle"; readonly which: number; readonly hasArrived: boolean };

const anyStep: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant("add"), client: fc.nat(6), times: fc.integer({ min: 1, max: 30 }) }),
  fc.record({ kind: fc.constant("pass"), ms: fc.integer({ min: -5, max: 300 }) }),
  fc.record({ kind: fc.constant("take"), most: fc.integer({ min: 1, max: 4 }) }),
  fc.record({ kind: fc.constant("settle"), which: fc.nat(5), hasArrived: fc.boolean() }),
);

const sumOf = (byType: Counts): number => Object.values(byType).reduce((sum, each) => sum + each, 0);
const reportedBy = ({ events, dropped }: Batch): number =>
  events.reduce((sum, { count }) => sum + count, 0) + sumOf(dropped);

test("reported and dropped counts always add up to the occurrences", () => {
  const run = (steps: readonly Step[]): void => {
    let nowMs = 0;
    let latestMs = 0;
    let occurred = 0;
    let reported = 0;
    const inFlight: Batch[] = [];
    const aggregator = createAggregator({
      now: () => nowMs,
      newId: countingIds(),
      windowMs: 100,
      maxWindows: 3,
      maxWaiting: 4,
    });
    const settle = (batch: Batch, hasArrived: boolean): void => {
      aggregator.settle(batch, hasArrived);
      if (hasArrived) reported += reportedBy(batch);
    };
    for (const step of steps) {
      switch (step.kind) {
        case "add":
          for (let time = 0; time < step.times; time += 1) aggregator.add(refused(`192.0.2.${step.client}`));
          occurred += step.times;
          break;
        case "pass":
          nowMs += step.ms;
          latestMs = Math.max(latestMs, nowMs);
          break;
        case "take": {
          const dueAtMs = aggregator.nextDueAtMs();
          const batch = aggregator.take(step.most);
          if (batch === undefined) break;
          // Never too late.
          expect(dueAtMs).toBeLessThanOrEqual(latestMs);
          expect(batch.events.length).toBeLessThanOrEqual(step.most);
          inFlight.push(batch);
          expect(inFlight.length).toBeLessThanOrEqual(4);
          break;
        }
        case "settle": {
          const [batch] = inFlight.splice(step.which, 1);
          if (batch !== undefined) settle(batch, step.hasArrived);
        }
      }
    }
    for (const batch of inFlight) settle(batch, false);
    aggregator.close();
    for (let batch = aggregator.take(2); batch !== undefined; batch = aggregator.take(2)) settle(batch, true);
    expect(reported).toBe(occurred);
    expect(aggregator.nextDueAtMs()).toBeUndefined();
  };
  fc.assert(fc.property(fc.array(anyStep, { maxLength: 120 }), run), { numRuns: 500 });
});

/** Any code units, many of them. */
const anyText = fc.oneof(
  fc.string({ unit: "binary", maxLength: 900 }),
  fc.array(fc.nat(0xffff), { maxLength: 300 }).map((units) => String.fromCharCode(...units)),
);

test("sanitized text is unchanged by sanitizing, short, and without control characters", () => {
  fc.assert(
    fc.property(anyText, fc.integer({ min: 1, max: 300 }), (text, most) => {
      const once = sanitize(text, most);
      expect(sanitize(once, most)).toBe(once);
      expect(once.length).toBeLessThanOrEqual(most);
      expect(once).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u);
    }),
  );
});
