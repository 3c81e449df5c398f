import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Route } from "../../../src/contract/route.ts";
import { DeadlineError } from "../../../src/origin/db/errors.ts";
import { Deadline } from "../../../src/origin/middleware/deadline.ts";
import {
  createLoadShedding,
  RouteBusyError,
  ShedError,
} from "../../../src/origin/middleware/load-shedding.ts";
import { testMetrics } from "../../support/metrics.ts";

beforeEach(() => void vi.useFakeTimers({ now: 0 }));
afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

const READ: Route = {
  method: "GET",
  path: "/",
  summary: "",
  tag: "",
  responses: {},
  policy: { auth: "public" },
};
const WRITE: Route = { ...READ, method: "POST" };
const BACKGROUND: Route = { ...WRITE, policy: { auth: "public", priority: "background" } };

const newScope = () => new Deadline("any", 10_000, true);

/** Lines of `overload_*` metrics. */
const metricsOf = async ({ text }: ReturnType<typeof testMetrics>): Promise<string[]> =>
  (await text()).split("\n").filter((line) => line.startsWith("overload_"));

/** A limit of one. */
const start = () => {
  const begun: string[] = [];
  const metrics = testMetrics();
  const options = { initialLimit: 1, minQueue: 4, burstMs: 0 };
  const loadShedding = createLoadShedding(options, { meter: metrics.meter, now: Date.now });
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
  const timers = vi.spyOn(globalThis, "setInterval");
  const first = run("first", READ);
  expect(begun).toEqual(["first"]);
  expect(timers).not.toHaveBeenCalled();
  first.end();
  expect(await first.result).toBe("first");
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
  run("background", BACKGROUND);
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
  expect(await shed()).toEqual(['overload_shed_total{priority="read",reason="queue_full"} 1']);
  expect(begun).toEqual(["first"]);
});

test("one timer sheds requests that wait too long, and stops with the queue", async () => {
  const { run, shed, begun } = start();
  // Files share a process, so the fake clock may hold timers of others: count only what starts here.
  const started = vi.spyOn(globalThis, "setInterval");
  run("first", READ);
  const waiting = [run("a", READ), run("b", READ)];
  expect(started).toHaveBeenCalledTimes(1);
  const timer = started.mock.results[0]?.value;
  const stopped = vi.spyOn(globalThis, "clearInterval");
  await vi.advanceTimersByTimeAsync(60);
  for (const { result } of waiting) await expect(result).rejects.toBeInstanceOf(ShedError);
  expect(await shed()).toEqual(['overload_shed_total{priority="read",reason="waited_too_long"} 2']);
  expect(begun).toEqual(["first"]);
  await vi.advanceTimersByTimeAsync(20);
  expect(stopped).toHaveBeenCalledWith(timer);
});

test.for([
  "deadline",
  "abandoned",
] as const)("a request leaves the queue when it ends: %s", async (reason) => {
  const { loadShedding, run, begun, shed } = start();
  const first = run("first", READ);
  const waiting = run("waiting", READ);
  waiting.scope.end(reason);
  await expect(waiting.result).rejects.toBeInstanceOf(DeadlineError);
  await expect(waiting.result).rejects.toThrow(reason);
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
    { meter: testMetrics().meter, now: Date.now },
  );
  const load = async (size: number, endOf: typeof end): Promise<void> => {
    for (let n = 0; n < size; n += 1) {
      const scope = newScope();
      const work = async (): Promise<void> => {
        await new Promise((resolve) => setTimeout(resolve, 100));
        const error = endOf(scope);
        if (error !== undefined) throw error;
      };
      loadShedding.run("any", READ, scope, work).catch(() => undefined);
    }
    await vi.advanceTimersByTimeAsync(100);
  };
  for (let turn = 0; turn < 5; turn += 1) await load(5, () => undefined);
  for (let turn = 0; turn < 4; turn += 1) await load(30, end);
  return loadShedding.gauges.limit;
};

const ending = (reason: "deadline" | "abandoned") => (scope: Deadline) => {
  scope.end(reason);
  return new DeadlineError(reason);
};

test("results raise the limit, missed deadlines lower it, other failures do not change it", async () => {
  expect(await limitAfter(() => undefined)).toBeGreaterThan(20);
  expect(await limitAfter(ending("deadline"))).toBeLessThan(20);
  expect(await limitAfter(ending("abandoned"))).toBe(20);
  expect(await limitAfter(() => new Error("a dependency is down"))).toBe(20);
});

test("the metrics show the current state, with a counter for every reason and priority", async () => {
  const { run, metrics } = start();
  run("first", READ);
  run("read", READ);
  run("write", WRITE);
  const lines = await metricsOf(metrics);
  expect(lines).toEqual(
    expect.arrayContaining(["overload_limit 1", "overload_in_flight 1", "overload_queued 2"]),
  );
  expect(lines.filter((line) => /^overload_shed.* 0$/.test(line))).toHaveLength(9);
});

test("a route at its maximum waits, then is rejected, while other routes have room", async () => {
  const metrics = testMetrics();
  const options = { initialLimit: 10, burstMs: 0 };
  const { meter } = metrics;
  const searches: Route = { ...READ, policy: { auth: "public", maxConcurrent: 2 } };
  const loadShedding = createLoadShedding(options, { meter, routes: { search: searches }, now: Date.now });
  expect(await metrics.text()).toContain('bulkhead_rejected_total{http_route="/"} 0');
  const begun: string[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  const run = (name: string, route: Route): Promise<void> =>
    loadShedding.run(name, route, newScope(), () => {
      begun.push(name);
      return promise;
    });
  const [first, second, third] = [run("search", searches), run("search", searches), run("search", searches)];
  const rejected = expect(third).rejects.toBeInstanceOf(RouteBusyError);
  const others = [run("other", READ), run("other", READ)];
  expect(begun).toEqual(["search", "search", "other", "other"]);
  expect(loadShedding.gauges).toMatchObject({ inFlight: 4, queued: 0 });
  await vi.advanceTimersByTimeAsync(80);
  await rejected;
  const lines = (await metrics.text()).split("\n");
  expect(lines).toContain('bulkhead_rejected_total{http_route="/"} 1');
  expect(lines.filter((line) => /^overload_shed.* [1-9]/.test(line))).toEqual([]);
  const last = run("search", searches);
  resolve();
  await Promise.all([first, second, last, ...others]);
  expect(begun.filter((name) => name === "search")).toHaveLength(3);
});

test("a route's maximum stays, however long it is reached", async () => {
  const searches: Route = { ...READ, policy: { auth: "public", maxConcurrent: 4 } };
  const { meter } = testMetrics();
  const loadShedding = createLoadShedding(
    { initialLimit: 100 },
    { meter, routes: { search: searches }, now: Date.now },
  );
  let running = 0;
  const most: number[] = [];
  const work = async (): Promise<void> => {
    running += 1;
    most.push(running);
    await new Promise((resolve) => setTimeout(resolve, 20));
    running -= 1;
  };
  for (let turn = 0; turn < 500; turn += 1) {
    loadShedding.run("search", searches, newScope(), work).catch(() => undefined);
    await vi.advanceTimersByTimeAsync(4);
  }
  expect(Math.max(...most)).toBe(4);
  // It is not halved from time to time, either, to measure latencies.
  expect(Math.max(...most.slice(-20))).toBe(4);
  expect(most.filter((count) => count === 4).length).toBeGreaterThan(0.9 * most.length);
});
