import { describe, expect, test } from "vitest";
import {
  type Batch,
  createGatherer,
  type Gatherer,
  type GathererOptions,
} from "../../src/security-events/aggregator.ts";
import type { Counts } from "../../src/security-events/event.ts";
import { countingIds, refused } from "./support.ts";

const scene = (options: Partial<GathererOptions> = {}) => {
  let nowMs = 0;
  const gatherer = createGatherer({ now: () => nowMs, newId: countingIds(), ...options });
  return {
    gatherer,
    pass: (ms: number): void => {
      nowMs += ms;
    },
    add: (times: number, client?: string): void => {
      for (let time = 0; time < times; time += 1) gatherer.add(refused(client, nowMs));
    },
  };
};

const arrived = (gatherer: Gatherer, most = 1_000): Batch | undefined => {
  const batch = gatherer.take(most);
  if (batch !== undefined) gatherer.settle(batch, true);
  return batch;
};

const counts = (batch: Batch | undefined): number[] => batch?.events.map(({ count }) => count) ?? [];
const sum = (numbers: readonly number[]): number => numbers.reduce((total, each) => total + each, 0);
const sumOf = (told: Counts): number => sum(Object.values(told));

describe("a gatherer", () => {
  test("has the first of equal ones due at once, and those after it at the end of the window", () => {
    const { gatherer, add, pass } = scene();
    expect(gatherer.nextDueAtMs()).toBeUndefined();
    add(1);
    expect(gatherer.nextDueAtMs()).toBe(0);
    expect(counts(arrived(gatherer))).toEqual([1]);
    expect(gatherer.nextDueAtMs()).toBeUndefined();
    pass(4_000);
    add(3);
    expect(gatherer.nextDueAtMs()).toBe(10_000);
    expect(arrived(gatherer)).toBeUndefined();
    pass(6_000);
    const batch = arrived(gatherer);
    expect(batch?.events).toMatchObject([{ count: 3, atMs: 4_000, lastAtMs: 4_000 }]);
    expect(gatherer.nextDueAtMs()).toBeUndefined();
  });

  test("makes a flood of 1,000 a second a few events a window, whose counts add up", () => {
    const { gatherer, add, pass } = scene();
    const told: number[] = [];
    for (let ms = 0; ms < 60_000; ms += 1) {
      add(1);
      pass(1);
      told.push(...counts(arrived(gatherer)));
    }
    gatherer.close();
    told.push(...counts(arrived(gatherer)));
    expect(sum(told)).toBe(60_000);
    expect(told.length).toBeLessThanOrEqual(6 * (Math.log10(10_000) + 2));
  });

  test("keeps clients, and whatever else tells occurrences apart, apart", () => {
    const { gatherer, add } = scene();
    add(2, "192.0.2.1");
    add(2, "192.0.2.2");
    gatherer.close();
    const events = arrived(gatherer)?.events ?? [];
    expect(events.map(({ client, count }) => [client, count])).toEqual([
      ["192.0.2.1", 1],
      ["192.0.2.2", 1],
      ["192.0.2.1", 1],
      ["192.0.2.2", 1],
    ]);
    expect(new Set(events.map(({ id }) => id)).size).toBe(4);
  });

  test("takes again what has not arrived, with the same ids", () => {
    const { gatherer, add } = scene();
    add(1, "192.0.2.1");
    add(1, "192.0.2.2");
    const first = gatherer.take(10);
    if (first === undefined) throw new Error("nothing was due");
    add(1, "192.0.2.3");
    gatherer.settle(first, false);
    gatherer.settle(first, false);
    expect(arrived(gatherer)?.events.map(({ client }) => client)).toEqual([
      "192.0.2.1",
      "192.0.2.2",
      "192.0.2.3",
    ]);
  });

  test("takes again what nobody has settled within a minute", () => {
    const { gatherer, add, pass } = scene();
    add(1);
    const lost = gatherer.take(10);
    expect(gatherer.nextDueAtMs()).toBe(60_000);
    pass(60_000);
    expect(arrived(gatherer)?.events).toEqual(lost?.events);
  });

  test("drops the oldest where there is no room, and tells how much", () => {
    const { gatherer, add } = scene({ maxWaiting: 2 });
    for (const client of ["192.0.2.1", "192.0.2.2", "192.0.2.3"]) add(1, client);
    const batch = arrived(gatherer);
    expect(batch?.events.map(({ client }) => client)).toEqual(["192.0.2.2", "192.0.2.3"]);
    expect(batch?.dropped).toEqual({ rate_limit_exceeded: 1 });
    expect(arrived(gatherer)).toBeUndefined();
  });

  test("ends the oldest window before its time where too many are open, and loses nothing by it", () => {
    const { gatherer, add } = scene({ maxOpen: 2 });
    add(3, "192.0.2.1");
    add(1, "192.0.2.2");
    add(1, "192.0.2.3");
    expect(counts(arrived(gatherer))).toEqual([1, 1, 2, 1]);
  });

  test("goes on where the clock is set back", () => {
    const { gatherer, add, pass } = scene();
    pass(5_000);
    add(2);
    pass(-5_000);
    add(1, "192.0.2.2");
    expect(gatherer.nextDueAtMs()).toBe(5_000);
    pass(15_000);
    expect(sum(counts(arrived(gatherer)))).toBe(3);
  });

  test("costs next to nothing however many windows it has seen", () => {
    const { gatherer, pass } = scene({ maxOpen: 100, maxWaiting: 100 });
    for (let index = 0; index < 100_000; index += 1) {
      gatherer.add(refused(`2001:db8::${(index % 65_000).toString(16)}`));
      pass(1);
    }
    const batch = arrived(gatherer);
    expect(batch?.events.length).toBe(100);
    expect(sum(counts(batch)) + sumOf(batch?.dropped ?? {})).toBe(100_000);
  });
});
