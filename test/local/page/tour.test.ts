import { expect, test } from "vitest";
import { SCANNER_CLIENT } from "../../../src/local/faults/all-faults.ts";
import type { SystemState } from "../../../src/local/page/state.ts";
import { createTour } from "../../../src/local/page/tour.ts";

const event = (message: string) => ({
  ...{ time: "2026-01-01T00:00:00.000Z", type: "suspicious_activity", message },
  ...{ client: SCANNER_CLIENT, count: 1 },
});

const stateWith = (changes: Partial<SystemState>): SystemState => ({
  ...{ atMs: 0, edgeUrl: "", nodes: [], links: [], breakers: [], origins: [], limits: [], buckets: [] },
  ...{ caches: [], overload: [], faults: [], load: { requestsPerSecond: 0 }, tour: [], examplePath: "/" },
  securityEvents: { totals: {}, newest: [] },
  outbox: { waiting: 0, dead: 0, oldestAgeS: 0 },
  ...changes,
});

const scanner = (isOn: boolean) => ({
  ...{ name: "scanner", title: "", node: "clients", isMomentary: false, isOn },
});
const FOUND = { totals: { suspicious_activity: 3 }, newest: [event("scanner_path")] };

const seen = (tour: ReturnType<typeof createTour>): boolean[] =>
  tour.steps(["scanner"]).flatMap(({ see }) => see.map(({ isDone }) => isDone));

test("a step has three things to see, which count while its fault is on, and stay", () => {
  const tour = createTour();
  tour.look(stateWith({ faults: [scanner(false)], securityEvents: FOUND }));
  expect(seen(tour)).toEqual([false, false, false]);
  tour.begin("scanner");
  tour.look(stateWith({ faults: [scanner(true)], securityEvents: FOUND }));
  expect(seen(tour)).toEqual([true, true, false]);
  expect(tour.steps(["scanner"])[0]?.isDone).toBe(false);
  tour.look(
    stateWith({ faults: [scanner(true)], securityEvents: { totals: {}, newest: [event("blocked_client")] } }),
  );
  expect(seen(tour)).toEqual([true, true, true]);
  expect(tour.steps(["scanner"])[0]?.isDone).toBe(true);
  tour.begin("scanner");
  expect(seen(tour)).toEqual([false, false, false]);
});

test("there are five steps of three things, without those whose fault the system lacks", () => {
  const all = ["redis-stopped", "origin-killed", "postgres-stopped", "origin-slow", "scanner"];
  expect(
    createTour()
      .steps(all)
      .map(({ fault, see }) => [fault, see.length]),
  ).toEqual(all.map((fault) => [fault, 3]));
  expect(createTour().steps(["scanner"])).toHaveLength(1);
});
