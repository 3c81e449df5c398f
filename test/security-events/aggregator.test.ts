import { describe, expect, test } from "vitest";
import {
  type Aggregator,
  type AggregatorOptions,
  type Batch,
  createAggregator,
} from "../../src/security-events/aggregator.ts";
import type { Counts } from "../../src/security-events/event.ts";
import { countingIds, refused } from "./support.ts";

const scene = (options: Partial<AggregatorOptions> = {}) => {
  let nowMs = 0;
  const aggregator = createAggregator({ now: () => nowMs, newId: countingIds(), ...options });
  return {
    aggregator,
    pass: (ms: number): void => {
      nowMs += ms;
    },
    add: (times: number, client?: string): void => {
      for (let time = 0; time < times; time += 1) aggregator.add(refused(client, nowMs));
    },
  };
};

const arrived = (aggregator: Aggregator, most = 1_000): Batch | undefined => {
  const batch = aggregator.take(most);
  if (batch !== undefined) aggregator.settle(batch, true);
  return batch;
};

const counts = (batch: Batch | undefined): number[] => batch?.events.map(({ count }) => count) ?? [];
const sum = (numbers: readonly number[]): number => numbers.reduce((total, each) => total + each, 0);
const sumOf = (byType: Counts): number => sum(Object.values(byType));

describe("an aggregator", () => {
  test("emits the first of equal occurrences immediately, and later ones when the window ends", () => {
    const { aggregator, add, pass } = scene();
    expect(aggregator.nextDueAtMs()).toBeUndefined();
    add(1);
    expect(aggregator.nextDueAtMs()).toBe(0);
    expect(counts(arrived(aggregator))).toEqual([1]);
    expect(aggregator.nextDueAtMs()).toBeUndefined();
    pass(4_000);
    add(3);
    expect(aggregator.nextDueAtMs()).toBe(10_000);
    expect(arrived(aggregator)).toBeUndefined();
    pass(6_000);
    const batch = arrived(aggregator);
    expect(batch?.events).toMatchObject([{ count: 3, atMs: 4_000, lastAtMs: 4_000 }]);
    expect(aggregator.nextDueAtMs()).toBeUndefined();
  });

  test("turns 1,000 occurrences per second into a few events per window, whose counts add up", () => {
    const { aggregator, add, pass } = scene();
    const reported: number[] = [];
    for (let ms = 0; ms < 60_000; ms += 1) {
      add(1);
      pass(1);
      reported.push(...counts(arrived(aggregator)));
    }
    aggregator.close();
    reported.push(...counts(arrived(aggregator)));
    expect(sum(reported)).toBe(60_000);
    expect(reported.length).toBeLessThanOrEqual(6 * (Math.log10(10_000) + 2));
  });

  test("separates clients", () => {
    const { aggregator, add } = scene();
    add(2, "192.0.2.1");
    add(2, "192.0.2.2");
    aggregator.close();
    const events = arrived(aggregator)?.events ?? [];
    expect(events.map(({ client, count }) => [client, count])).toEqual([
      ["192.0.2.1", 1],
      ["192.0.2.2", 1],
      ["192.0.2.1", 1],
      ["192.0.2.2", 1],
    ]);
    expect(new Set(events.map(({ id }) => id)).size).toBe(4);
  });

  test("returns the events of a batch that did not arrive again", () => {
    const { aggregator, add } = scene();
    add(1, "192.0.2.1");
    add(1, "192.0.2.2");
    const first = aggregator.take(10);
    if (first === undefined) throw new Error("nothing was due");
    add(1, "192.0.2.3");
    aggregator.settle(first, false);
    aggregator.settle(first, false);
    expect(arrived(aggregator)?.events.map(({ client }) => client)).toEqual([
      "192.0.2.1",
      "192.0.2.2",
      "192.0.2.3",
    ]);
  });

  test("returns the events of a batch that was not settled within a minute again", () => {
    const { aggregator, add, pass } = scene();
    add(1);
    const lost = aggregator.take(10);
    expect(aggregator.nextDueAtMs()).toBe(60_000);
    pass(60_000);
    expect(arrived(aggregator)?.events).toEqual(lost?.events);
  });

  test("drops the oldest events when the buffer is full, and reports their count", () => {
    const { aggregator, add } = scene({ maxWaiting: 2 });
    for (const client of ["192.0.2.1", "192.0.2.2", "192.0.2.3"]) add(1, client);
    const batch = arrived(aggregator);
    expect(batch?.events.map(({ client }) => client)).toEqual(["192.0.2.2", "192.0.2.3"]);
    expect(batch?.dropped).toEqual({ rate_limit_exceeded: 1 });
    expect(arrived(aggregator)).toBeUndefined();
  });

  test("closes the oldest window early if too many are open, without losing counts", () => {
    const { aggregator, add } = scene({ maxWindows: 2 });
    add(3, "192.0.2.1");
    add(1, "192.0.2.2");
    add(1, "192.0.2.3");
    expect(counts(arrived(aggregator))).toEqual([1, 1, 2, 1]);
  });

  test("continues when the clock is set back", () => {
    const { aggregator, add, pass } = scene();
    pass(5_000);
    add(2);
    pass(-5_000);
    add(1, "192.0.2.2");
    expect(aggregator.nextDueAtMs()).toBe(5_000);
    pass(15_000);
    expect(sum(counts(arrived(aggregator)))).toBe(3);
  });

  test("stays fast after many windows", () => {
    const { aggregator, pass } = scene({ maxWindows: 100, maxWaiting: 100 });
    for (let index = 0; index < 100_000; index += 1) {
      aggregator.add(refused(`2001:db8::${(index % 65_000).toString(16)}`));
      pass(1);
    }
    const batch = arrived(aggregator);
    expect(batch?.events.length).toBe(100);
    expect(sum(counts(batch)) + sumOf(batch?.dropped ?? {})).toBe(100_000);
  });
});
