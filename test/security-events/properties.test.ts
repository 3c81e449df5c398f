import fc from "fast-check";
import { expect, test } from "vitest";
import { type Batch, createGatherer } from "../../src/security-events/aggregator.ts";
import {
  MAX_BATCH_BYTES,
  MAX_BATCH_EVENTS,
  readBatch,
  writeBatch,
} from "../../src/security-events/batch-codec.ts";
import type { Counts } from "../../src/security-events/event.ts";
import { bounded, type Occurrence } from "../../src/security-events/event.ts";
import { printable } from "../../src/security-events/sanitize.ts";
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

const sumOf = (told: Counts): number => Object.values(told).reduce((sum, each) => sum + each, 0);
const toldBy = ({ events, dropped }: Batch): number =>
  events.reduce((sum, { count }) => sum + count, 0) + sumOf(dropped);

test("whatever happens, what was told and what was told as dropped is what occurred", () => {
  const run = (steps: readonly Step[]): void => {
    let nowMs = 0;
    let latestMs = 0;
    let occurred = 0;
    let told = 0;
    const underWay: Batch[] = [];
    const gatherer = createGatherer({
      now: () => nowMs,
      newId: countingIds(),
      windowMs: 100,
      maxOpen: 3,
      maxWaiting: 4,
    });
    const settle = (batch: Batch, hasArrived: boolean): void => {
      gatherer.settle(batch, hasArrived);
      if (hasArrived) told += toldBy(batch);
    };
    for (const step of steps) {
      switch (step.kind) {
        case "add":
          for (let time = 0; time < step.times; time += 1) gatherer.add(refused(`192.0.2.${step.client}`));
          occurred += step.times;
          break;
        case "pass":
          nowMs += step.ms;
          latestMs = Math.max(latestMs, nowMs);
          break;
        case "take": {
          const dueAtMs = gatherer.nextDueAtMs();
          const batch = gatherer.take(step.most);
          if (batch === undefined) break;
          // Never later than there is something.
          expect(dueAtMs).toBeLessThanOrEqual(latestMs);
          expect(batch.events.length).toBeLessThanOrEqual(step.most);
          underWay.push(batch);
          expect(underWay.length).toBeLessThanOrEqual(4);
          break;
        }
        case "settle": {
          const [batch] = underWay.splice(step.which, 1);
          if (batch !== undefined) settle(batch, step.hasArrived);
        }
      }
    }
    for (const batch of underWay) settle(batch, false);
    gatherer.close();
    for (let batch = gatherer.take(2); batch !== undefined; batch = gatherer.take(2)) settle(batch, true);
    expect(told).toBe(occurred);
    expect(gatherer.nextDueAtMs()).toBeUndefined();
  };
  fc.assert(fc.property(fc.array(anyStep, { maxLength: 120 }), run), { numRuns: 500 });
});

/** The nastiest texts: any code units, many of them. */
const anyText = fc.oneof(
  fc.string({ unit: "binary", maxLength: 900 }),
  fc.array(fc.nat(0xffff), { maxLength: 300 }).map((units) => String.fromCharCode(...units)),
);

const anyOccurrence: fc.Arbitrary<Occurrence> = fc
  .tuple(anyText, anyText, anyText, anyText)
  .map(([one, two, three, four]) => ({
    type: "data_access",
    user: `u${one}`,
    resource: `/${two}`,
    action: "read",
    atMs: 1_700_000_000_000,
    client: "2001:db8::1",
    route: `r${three}`,
    requestId: `i${four}`,
    traceId: "0123456789abcdef0123456789abcdef",
  }));

test("what is printable stays as it is, is short, and holds no control character", () => {
  fc.assert(
    fc.property(anyText, fc.integer({ min: 1, max: 300 }), (text, most) => {
      const once = printable(text, most);
      expect(printable(once, most)).toBe(once);
      expect(once.length).toBeLessThanOrEqual(most);
      expect(once).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u);
    }),
  );
});

test("whatever a gatherer takes is read as it was written, and within its size", () => {
  fc.assert(
    fc.property(anyOccurrence, (occurrence) => {
      const event = {
        ...bounded(occurrence),
        id: crypto.randomUUID(),
        lastAtMs: occurrence.atMs,
        count: 1_000_000_000,
      };
      const batch = {
        events: Array.from({ length: MAX_BATCH_EVENTS }, () => event),
        dropped: { data_access: 7 },
      };
      const text = writeBatch(batch);
      expect(new TextEncoder().encode(text).length).toBeLessThanOrEqual(MAX_BATCH_BYTES);
      expect(readBatch(text)).toEqual(batch);
    }),
    { numRuns: 50 },
  );
});
