import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Priority } from "../../../src/contract/policy.ts";
import type { Route } from "../../../src/contract/route.ts";
import { DeadlineError } from "../../../src/origin/db/errors.ts";
import { Deadline } from "../../../src/origin/middleware/deadline.ts";
import { createLoadShedding, ShedError } from "../../../src/origin/middleware/load-shedding.ts";
import { testMetrics } from "../../support/metrics.ts";

beforeEach(() => void vi.useFakeTimers({ now: 0 }));
afterEach(() => void vi.useRealTimers());

const routeOf = (method: "GET" | "POST", priority?: Priority): Route => ({
  method,
  path: "/",
  summary: "",
  tag: "",
  responses: {},
  policy: { auth: "public", ...(priority === undefined ? {} : { priority }) },
});
const READ = routeOf("GET");
const WRITE = routeOf("POST");

const newScope = () => new Deadline("any", 10_000, true);

/** Lines of `overload_*` metrics. */
const metricsOf = async ({ text }: ReturnType<typeof testMetrics>): Promise<string[]> =>
  (await text()).split("\n").filter((line) => line.startsWith("overload_"));

/** A limit of one. */
const start = () => {
  const begun: string[] = [];
  const metrics = testMetrics();
  const loadShedding = createLoadShedding(
    { initialLimit: 1, minQueue: 4, burstMs: 0 },
    { now: Date.now, meter: metrics.meter },
  );
  /** The counters of shed requests that are not 0. */
  const shed = async (): Promise<string[]> =>
    (await metricsOf(metrics)).filter((line) => line.startsWith("overload_shed") && !line.endsWith(" 0"));
  /** Work that continues until `end` or `fail`. */
  const run = (name: string, route: Route, scope = newScope()) => {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const result = loadShedding.run("any", route, scope, () => {
      begun.push(name);
      return promise;
    });
    result.catch(() => undefined);
    return { result, scope, end: () => resolve(name), fail: reject };
  };
  return { loadShedding, run, begun, shed, metrics };
};

/** Runs pending callbacks without advancing time. */
const settle = () => vi.advanceTimersByTimeAsync(0);

test("work begins at once within the limit, and its result is returned", async () => {
  const { run, begun } = start();
  const first = run("first", READ);
  expect(begun).toEqual(["first"]);
  first.end();
  expect(await first.result).toBe("first");
  expect(vi.getTimerCount()).toBe(0);
});

test("the next work begins when the first ends, a write before an earlier read", async () => {
  const { run, begun } = start();
  const first = run("first", READ);
  const read = run("read", READ);
  const write = run("write", WRITE);
  first.end();
  await settle();
  expect(begun).toEqual(["first", "write"]);
  write.end();
  read.end();
  expect(await Promise.all([write.result, read.result])).toEqual(["write", "read"]);
});

test("a route's priority overrides its method", async () => {
  const { run, begun } = start();
  const first = run("first", READ);
  run("background", routeOf("POST", "background"));
  run("read", READ);
  first.end();
  await settle();
  expect(begun).toEqual(["first", "read"]);
});

test("a request is shed when the queue is full, and its work never begins", async () => {
  const { run, begun, shed } = start();
  run("first", READ);
  for (let n = 0; n < 3; n += 1) run("waiting", READ);
  const last = run("last", READ);
  await expect(last.result).rejects.toBeInstanceOf(ShedError);
  await expect(last.result).rejects.toMatchObject({ retryAfterS: 1 });
  expect(await shed()).toEqual(['overload_shed_total{priority="read",reason="queue_full"} 1']);
  expect(begun).toEqual(["first"]);
});

test("a write displaces a queued read", async () => {
  const { run, shed } = start();
  run("first", READ);
  run("read", READ);
  const displaced = run("newer read", READ);
  for (let n = 0; n < 3; n += 1) run("write", WRITE);
  await expect(displaced.result).rejects.toBeInstanceOf(ShedError);
  expect(await shed()).toEqual(['overload_shed_total{priority="read",reason="displaced"} 1']);
});

test("one timer sheds requests that wait too long, and stops with the queue", async () => {
  const { run, shed, begun } = start();
  run("first", READ);
  const waiting = [run("a", READ), run("b", READ)];
  expect(vi.getTimerCount()).toBe(1);
  await vi.advanceTimersByTimeAsync(60);
  for (const { result } of waiting) await expect(result).rejects.toBeInstanceOf(ShedError);
  expect(await shed()).toEqual(['overload_shed_total{priority="read",reason="waited_too_long"} 2']);
  expect(begun).toEqual(["first"]);
  await vi.advanceTimersByTimeAsync(20);
  expect(vi.getTimerCount()).toBe(0);
});

test.for([
  "deadline",
  "abandoned",
] as const)("a request leaves the queue when it ends: %s", async (reason) => {
  const { loadShedding, run, begun, shed } = start();
  const first = run("first", READ);
  const gone = run("gone", READ);
  gone.scope.end(reason);
  await expect(gone.result).rejects.toBeInstanceOf(DeadlineError);
  await expect(gone.result).rejects.toThrow(reason);
  expect(loadShedding.gauges.queued).toBe(0);
  first.end();
  await settle();
  expect(begun).toEqual(["first"]);
  expect(await shed()).toEqual([]);
});

test("work of a request that has ended is not begun", async () => {
  const { run, begun } = start();
  const scope = newScope();
  scope.end("abandoned");
  await expect(run("late", READ, scope).result).rejects.toBeInstanceOf(DeadlineError);
  expect(begun).toEqual([]);
});

test("work keeps its permit after its request has ended, until the work itself ends", async () => {
  const { loadShedding, run } = start();
  const first = run("first", READ);
  first.scope.end("deadline");
  await settle();
  expect(loadShedding.gauges.inFlight).toBe(1);
  first.fail(new DeadlineError("at last"));
  await expect(first.result).rejects.toThrow("at last");
  expect(loadShedding.gauges.inFlight).toBe(0);
});

test("work that throws synchronously releases its permit", async () => {
  const { loadShedding } = start();
  const failing = loadShedding.run("any", READ, newScope(), () => {
    throw new Error("at once");
  });
  await expect(failing).rejects.toThrow("at once");
  expect(loadShedding.gauges.inFlight).toBe(0);
});

/** The limit after normal load, then overload in which all work ends in the same way after 100 ms. */
const limitAfter = async (end: (scope: Deadline) => Error | undefined): Promise<number> => {
  const loadShedding = createLoadShedding(
    { initialLimit: 20 },
    { now: Date.now, meter: testMetrics().meter },
  );
  const work = async (size: number, endOf: typeof end): Promise<void> => {
    for (let n = 0; n < size; n += 1) {
      const scope = newScope();
      const slow = async (): Promise<void> => {
        await new Promise((resolve) => setTimeout(resolve, 100));
        const error = endOf(scope);
        if (error !== undefined) throw error;
      };
      loadShedding.run("any", READ, scope, slow).catch(() => undefined);
    }
    await vi.advanceTimersByTimeAsync(100);
  };
  for (let turn = 0; turn < 5; turn += 1) await work(5, () => undefined);
  for (let turn = 0; turn < 4; turn += 1) await work(30, end);
  return loadShedding.gauges.limit;
};

test("results raise the limit, missed deadlines lower it, other failures do not change it", async () => {
  const deadline = (scope: Deadline): DeadlineError => {
    scope.end("deadline");
    return new DeadlineError("missed");
  };
  const abandoned = (scope: Deadline): DeadlineError => {
    scope.end("abandoned");
    return new DeadlineError("gone");
  };
  expect(await limitAfter(() => undefined)).toBeGreaterThan(20);
  expect(await limitAfter(deadline)).toBeLessThan(20);
  expect(await limitAfter(abandoned)).toBe(20);
  expect(await limitAfter(() => new Error("a dependency is down"))).toBe(20);
});

test("every reason of every priority has a counter from the beginning", async () => {
  const counters = (await metricsOf(start().metrics)).filter((line) => line.startsWith("overload_shed"));
  expect(counters).toHaveLength(9);
  expect(counters).toContain('overload_shed_total{priority="background",reason="waited_too_long"} 0');
});

test("the gauges show the current state", async () => {
  const { run, metrics } = start();
  run("first", READ);
  run("read", READ);
  run("write", WRITE);
  expect(await metricsOf(metrics)).toEqual(
    expect.arrayContaining(["overload_limit 1", "overload_in_flight 1", "overload_queued 2"]),
  );
});
