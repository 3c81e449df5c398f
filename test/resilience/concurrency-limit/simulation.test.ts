/**
 * The limit in front of a backend of unknown capacity, under an open load: arrivals do not wait for
 * responses.
 */
import { describe, expect, test } from "vitest";
import { type Outcome, Simulation } from "./support/simulation.ts";

interface Backend {
  readonly slots: number;
  /** The mean. */
  readonly serviceMs: number;
}

const BACKENDS: readonly Backend[] = [2, 8, 32].flatMap((slots) =>
  [5, 20, 200].map((serviceMs) => ({ slots, serviceMs })),
);

const capacityOf = ({ slots, serviceMs }: Backend): number => (slots / serviceMs) * 1000;
const fixed =
  ({ serviceMs }: Backend) =>
  (): number =>
    serviceMs;
/** Uniform within half and one and a half times the mean. */
const jittered =
  ({ serviceMs }: Backend) =>
  (_kind: string, random: () => number): number =>
    serviceMs * (0.5 + random());

/** Time to adapt to a change, to adapt at first, and to measure. */
const recoverMs = ({ serviceMs }: Backend): number => Math.min(15_000, Math.max(9_000, 75 * serviceMs));
const settleMs = ({ serviceMs }: Backend): number => Math.max(4_000, 60 * serviceMs);
const measureMs = (backend: Backend): number => Math.max(2_000, 2_000_000 / capacityOf(backend));

const settled = (simulation: Simulation, backend: Backend, load: number): Outcome => {
  const perS = load * capacityOf(backend);
  simulation.run(perS, settleMs(backend));
  return simulation.run(perS, measureMs(backend));
};

describe.each([
  ["fixed", fixed],
  ["jittered", jittered],
])("at twice the capacity of a backend with %s durations", (_, duration) => {
  test.for(BACKENDS)("goodput and latency hold: %o", (backend) => {
    const serviceMs = duration(backend);
    const half = settled(new Simulation({ ...backend, serviceMs }), backend, 0.5);
    const twice = settled(new Simulation({ ...backend, serviceMs }), backend, 2);
    if (duration === fixed) expect(half.arrived.filter(({ isShed }) => isShed)).toEqual([]);
    expect(twice.perS / capacityOf(backend)).toBeGreaterThan(0.9);
    expect(twice.p99Ms / half.p99Ms).toBeLessThan(3);
  });
});

test.for(BACKENDS)("the limit recovers when the work of %o slows to half and speeds up again", (backend) => {
  let factor = 1;
  const simulation = new Simulation({
    ...backend,
    serviceMs: () => backend.serviceMs * factor,
    // When work is fast again, the queue is empty for a moment; later arrivals would be a burst.
    options: { burstMs: 0 },
  });
  const at2x = (forMs: number): Outcome => simulation.run((2 * capacityOf(backend)) / factor, forMs);
  at2x(settleMs(backend));
  for (const next of [2, 1]) {
    factor = next;
    const meanwhile = at2x(recoverMs(backend));
    const afterwards = at2x(measureMs(backend));
    const capacity = capacityOf(backend) / factor;
    expect(meanwhile.perS / capacity).toBeGreaterThan(0.7);
    expect(afterwards.perS / capacity).toBeGreaterThan(0.9);
    // Two slots at half load have a p99 of about two and a half service times.
    expect(afterwards.p99Ms).toBeLessThan((backend.slots === 2 ? 7.5 : 3.9) * backend.serviceMs * factor);
  }
});

test("the limit recovers when a backend loses three quarters of its slots and gets them back", () => {
  const backend = { slots: 32, serviceMs: 20 };
  const simulation = new Simulation({ ...backend, serviceMs: fixed(backend) });
  settled(simulation, backend, 2);
  for (const slots of [8, 32]) {
    simulation.slots.count = slots;
    const now = { slots, serviceMs: 20 };
    simulation.run(2 * capacityOf(now), 15_000);
    const { perS, p99Ms } = settled(simulation, now, 2);
    expect(perS / capacityOf(now)).toBeGreaterThan(0.95);
    expect(p99Ms).toBeLessThan(3 * 20);
  }
});

test("ten minutes at twice the capacity do not degrade goodput or latency", () => {
  const backend = { slots: 8, serviceMs: 20 };
  const simulation = new Simulation({ ...backend, serviceMs: fixed(backend) });
  settled(simulation, backend, 2);
  const minutes = Array.from({ length: 10 }, () => simulation.run(2 * capacityOf(backend), 60_000));
  for (const { perS, p99Ms } of minutes) {
    expect(perS / capacityOf(backend)).toBeGreaterThan(0.98);
    expect(p99Ms).toBeLessThan(3 * 20);
  }
});

test("a burst of twenty times the limit is served without shedding", () => {
  const backend = { slots: 8, serviceMs: 20 };
  const simulation = new Simulation({ ...backend, serviceMs: fixed(backend) });
  simulation.run(0.5 * capacityOf(backend), 10_000);
  for (let burst = 0; burst < 5; burst += 1) {
    // More than half a second of work within a fifth of a second.
    const { arrived } = simulation.run(4 * capacityOf(backend), 200);
    simulation.run(0.1 * capacityOf(backend), 3_000);
    expect(arrived.length).toBeGreaterThan(160);
    expect(arrived.filter(({ isShed }) => isShed)).toEqual([]);
  }
});

test("idle times do not change how the limit behaves under overload", () => {
  const backend = { slots: 8, serviceMs: 20 };
  const simulation = new Simulation({ ...backend, serviceMs: jittered(backend) });
  for (const load of [0.1, 0.9, 2, 0.1, 2]) simulation.run(load * capacityOf(backend), 30_000);
  const { perS, p99Ms } = simulation.run(2 * capacityOf(backend), 10_000);
  expect(perS / capacityOf(backend)).toBeGreaterThan(0.95);
  expect(p99Ms).toBeLessThan(3 * 30);
});

test("at twice the capacity 95 % of writes are served when they are half of the load", () => {
  const backend = { slots: 32, serviceMs: 20 };
  const mix = [
    { kind: "write", priority: "write" },
    { kind: "read", priority: "read" },
  ] as const;
  const simulation = new Simulation({ ...backend, serviceMs: fixed(backend), mix });
  const { arrived, perS } = settled(simulation, backend, 2);
  const writes = arrived.filter(({ priority }) => priority === "write");
  expect(writes.filter(({ isShed }) => isShed).length / writes.length).toBeLessThan(0.05);
  expect(perS / capacityOf(backend)).toBeGreaterThan(0.9);
});

test("background work is shed first, then reads, then writes", () => {
  const backend = { slots: 8, serviceMs: 20 };
  const priorities = ["write", "read", "background"] as const;
  const mix = priorities.map((priority) => ({ kind: priority, priority }));
  const simulation = new Simulation({ ...backend, serviceMs: fixed(backend), mix });
  const { arrived } = settled(simulation, backend, 1.5);
  const shedShare = priorities.map((which) => {
    const own = arrived.filter(({ priority }) => priority === which);
    return own.filter(({ isShed }) => isShed).length / own.length;
  });
  expect(shedShare[0]).toBeLessThan(0.01);
  expect(shedShare[1]).toBeLessThan(0.2);
  expect(shedShare[2]).toBeGreaterThan(0.8);
});

test("kinds with very different latencies share one limit", () => {
  const usualMs: Readonly<Record<string, number>> = { quick: 5, usual: 20, slow: 200 };
  const kinds = [...Array<string>(10).fill("quick"), ...Array<string>(9).fill("usual"), "slow"];
  const meanMs = kinds.reduce((sum, kind) => sum + (usualMs[kind] ?? 0), 0) / kinds.length;
  const backend = { slots: 16, serviceMs: meanMs };
  const simulation = new Simulation({
    slots: 16,
    serviceMs: (kind, random) => (usualMs[kind] ?? 0) * (0.5 + random()),
    mix: kinds.map((kind) => ({ kind, priority: "read" })),
  });
  const { perS, done } = settled(simulation, backend, 2);
  expect(perS / capacityOf(backend)).toBeGreaterThan(0.9);
  expect(done.filter(({ kind }) => kind === "slow").length / done.length).toBeCloseTo(0.05, 1);
});

test("processes that share a backend find its capacity together", () => {
  const backend = { slots: 32, serviceMs: 20 };
  const simulation = new Simulation({ ...backend, serviceMs: fixed(backend), processes: 4 });
  settled(simulation, backend, 2);
  for (let minute = 0; minute < 3; minute += 1) {
    const { perS, p99Ms } = simulation.run(2 * capacityOf(backend), 30_000);
    expect(perS / capacityOf(backend)).toBeGreaterThan(0.95);
    expect(p99Ms).toBeLessThan(4 * 20);
  }
});

test("missed deadlines lower the limit further than latency alone", () => {
  const backend = { slots: 8, serviceMs: 20 };
  const limitUnder = (deadlineMs: number): number => {
    const simulation = new Simulation({ ...backend, serviceMs: fixed(backend), deadlineMs });
    settled(simulation, backend, 2);
    return Math.max(...simulation.limits.map(({ limit }) => limit));
  };
  expect(limitUnder(30)).toBeLessThan(limitUnder(1_000));
});
