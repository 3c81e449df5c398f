import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Priority } from "../../src/contract/policy.ts";
import type { Route } from "../../src/contract/route.ts";
import { ShedError } from "../../src/origin/admission.ts";
import { DeadlineError } from "../../src/origin/db/errors.ts";
import { Deadline } from "../../src/origin/middleware/deadline.ts";
import { createAdmission, epochNow } from "../../src/origin/overload-admission.ts";

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

/** One place, and all that comes to be told. */
const start = () => {
  const told: string[] = [];
  const shed: string[] = [];
  const admission = createAdmission(
    { initialLimit: 1, minQueue: 4, burstMs: 0 },
    { now: Date.now, onShed: ({ priority, reason }) => shed.push(`${priority} ${reason}`) },
  );
  /** Work that goes on until it is told to end. */
  const run = (name: string, route: Route, scope = newScope()) => {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const result = admission.run("any", route, scope, () => {
      told.push(name);
      return promise;
    });
    result.catch(() => undefined);
    return { result, scope, end: () => resolve(name), fail: reject };
  };
  return { admission, run, told, shed };
};

/** All that follows from what has been done, but time. */
const settle = () => vi.advanceTimersByTimeAsync(0);

test("work begins at once where there is a place, and gives what it gives", async () => {
  const { run, told } = start();
  const first = run("first", READ);
  expect(told).toEqual(["first"]);
  first.end();
  expect(await first.result).toBe("first");
  expect(vi.getTimerCount()).toBe(0);
});

test("the next one begins when the first ends, a write before a read that came earlier", async () => {
  const { run, told } = start();
  const first = run("first", READ);
  const read = run("read", READ);
  const write = run("write", WRITE);
  first.end();
  await settle();
  expect(told).toEqual(["first", "write"]);
  write.end();
  read.end();
  expect(await Promise.all([write.result, read.result])).toEqual(["write", "read"]);
});

test("a route's own priority counts for more than its method", async () => {
  const { run, told } = start();
  const first = run("first", READ);
  run("background", routeOf("POST", "background"));
  run("read", READ);
  first.end();
  await settle();
  expect(told).toEqual(["first", "read"]);
});

test("what finds no room is shed, and its work never begins", async () => {
  const { run, told, shed } = start();
  run("first", READ);
  for (let n = 0; n < 3; n += 1) run("waiting", READ);
  const last = run("last", READ);
  await expect(last.result).rejects.toBeInstanceOf(ShedError);
  await expect(last.result).rejects.toMatchObject({ retryAfterS: 1 });
  expect(shed).toEqual(["read queue_full"]);
  expect(told).toEqual(["first"]);
});

test("a read that waits makes room for a write", async () => {
  const { run, shed } = start();
  run("first", READ);
  run("read", READ);
  const displaced = run("newer read", READ);
  for (let n = 0; n < 3; n += 1) run("write", WRITE);
  await expect(displaced.result).rejects.toBeInstanceOf(ShedError);
  expect(shed).toEqual(["read displaced"]);
});

test("what waits too long is shed in time, by one timer that ends with the queue", async () => {
  const { run, shed, told } = start();
  run("first", READ);
  const waiting = [run("a", READ), run("b", READ)];
  expect(vi.getTimerCount()).toBe(1);
  await vi.advanceTimersByTimeAsync(60);
  for (const { result } of waiting) await expect(result).rejects.toBeInstanceOf(ShedError);
  expect(shed).toEqual(["read waited_too_long", "read waited_too_long"]);
  expect(told).toEqual(["first"]);
  await vi.advanceTimersByTimeAsync(20);
  expect(vi.getTimerCount()).toBe(0);
});

test.for([
  "deadline",
  "abandoned",
] as const)("who waits leaves the queue when its request ends: %s", async (reason) => {
  const { admission, run, told, shed } = start();
  const first = run("first", READ);
  const gone = run("gone", READ);
  gone.scope.end(reason);
  await expect(gone.result).rejects.toBeInstanceOf(DeadlineError);
  await expect(gone.result).rejects.toThrow(reason);
  expect(admission.gauges.queued).toBe(0);
  first.end();
  await settle();
  expect(told).toEqual(["first"]);
  expect(shed).toEqual([]);
});

test("work whose request has ended already is not begun", async () => {
  const { run, told } = start();
  const scope = newScope();
  scope.end("abandoned");
  await expect(run("late", READ, scope).result).rejects.toBeInstanceOf(DeadlineError);
  expect(told).toEqual([]);
});

test("the place of work whose request has ended stays taken until the work itself ends", async () => {
  const { admission, run } = start();
  const first = run("first", READ);
  first.scope.end("deadline");
  await settle();
  expect(admission.gauges.inFlight).toBe(1);
  first.fail(new DeadlineError("at last"));
  await expect(first.result).rejects.toThrow("at last");
  expect(admission.gauges.inFlight).toBe(0);
});

test("work that throws before its promise gives its place back", async () => {
  const { admission } = start();
  const failing = admission.run("any", READ, newScope(), () => {
    throw new Error("at once");
  });
  await expect(failing).rejects.toThrow("at once");
  expect(admission.gauges.inFlight).toBe(0);
});

/** Overload after quieter times, in which all work ends in the same way after 100 ms; the limit that it leads to. */
const limitAfter = async (end: (scope: Deadline) => Error | undefined): Promise<number> => {
  const admission = createAdmission({ initialLimit: 20 }, { now: Date.now });
  const work = async (size: number, endOf: typeof end): Promise<void> => {
    for (let n = 0; n < size; n += 1) {
      const scope = newScope();
      const slow = async (): Promise<void> => {
        await new Promise((resolve) => setTimeout(resolve, 100));
        const error = endOf(scope);
        if (error !== undefined) throw error;
      };
      admission.run("any", READ, scope, slow).catch(() => undefined);
    }
    await vi.advanceTimersByTimeAsync(100);
  };
  for (let turn = 0; turn < 5; turn += 1) await work(5, () => undefined);
  for (let turn = 0; turn < 4; turn += 1) await work(30, end);
  return admission.gauges.limit;
};

test("answers raise the limit, missed deadlines lower it, other failures leave it alone", async () => {
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
  expect(await limitAfter(() => new Error("a dependency is away"))).toBe(20);
});

test("the clock for it is the epoch's, in fractions of milliseconds", () => {
  vi.useRealTimers();
  expect(Math.abs(epochNow() - Date.now())).toBeLessThan(1_000);
  const [one, other] = [epochNow(), epochNow()];
  expect(other).toBeGreaterThanOrEqual(one);
});
