import { expect, test } from "vitest";
import { type TimedLimit, timedLimit } from "./support/timed-limit.ts";

/** A limit of one, in use by "first". */
const full = (minQueue = 8): TimedLimit => {
  const timed = timedLimit({ initialLimit: 1, minQueue });
  timed.request("first");
  return timed;
};

test("requests above the limit wait, and a released permit goes to the oldest", () => {
  const { limit, request, release, events } = timedLimit({ initialLimit: 2 });
  for (const name of ["a", "b", "c", "d"]) request(name);
  expect(events).toEqual(["a admitted", "b admitted"]);
  expect(limit).toMatchObject({ limit: 2, inFlight: 2, queued: 2 });
  release("a");
  expect(events.slice(2)).toEqual(["c admitted"]);
});

test("writes are admitted before reads, and reads before background work", () => {
  const { request, release, events } = full(20);
  request("background", "background");
  request("read", "read");
  request("write", "write");
  for (const name of ["first", "write", "read"]) release(name);
  expect(events.slice(1)).toEqual(["write admitted", "read admitted", "background admitted"]);
});

test("in a full queue a request displaces the newest one of the lowest priority below its own", () => {
  const { request, events, sheds } = full(4);
  request("background", "background");
  request("older", "read");
  request("newer", "read");
  request("write", "write");
  request("another", "write");
  request("third", "write");
  expect(events.slice(1)).toEqual(["background displaced", "newer displaced"]);
  expect(sheds).toEqual([
    { priority: "background", reason: "displaced", atMs: 1_000 },
    { priority: "read", reason: "displaced", atMs: 1_000 },
  ]);
});

test("in a full queue without lower priorities the new request is shed", () => {
  const { request, events, sheds } = full(2);
  request("a", "write");
  request("b", "write");
  request("c", "write");
  request("d", "read");
  expect(events.slice(1)).toEqual(["c queue_full", "d queue_full"]);
  expect(sheds.map(({ priority, reason }) => [priority, reason])).toEqual([
    ["write", "queue_full"],
    ["read", "queue_full"],
  ]);
});

test("reads fill only part of the queue, and background work less", () => {
  const { limit, request } = full(10);
  const fill = (priority: "background" | "read" | "write"): number => {
    for (let n = 0; n < 20; n += 1) request(`${priority} ${n}`, priority);
    return limit.queued;
  };
  expect([fill("background"), fill("read"), fill("write")]).toEqual([3, 6, 10]);
});

test("the sweep sheds requests that waited too long", () => {
  const { limit, request, advance, events, sheds } = full();
  request("early");
  advance(30);
  request("late");
  limit.sweep();
  expect(events).toEqual(["first admitted"]);
  advance(20);
  limit.sweep();
  expect(events).toEqual(["first admitted", "early waited_too_long"]);
  expect(sheds).toEqual([{ priority: "read", reason: "waited_too_long", atMs: 1_050 }]);
  expect(limit.queued).toBe(1);
});

test("a request that waited too long is not admitted, even without a sweep", () => {
  const { request, release, advance, events } = full();
  request("early");
  advance(49);
  request("late");
  advance(1);
  release("first");
  expect(events.slice(1)).toEqual(["early waited_too_long", "late admitted"]);
});

test("the queue timeout follows the latency, up to its maximum", () => {
  const { request, release, advance, events, limit } = timedLimit({
    initialLimit: 1,
    maxWaitMs: 300,
    minimumSamples: 1,
  });
  request("slow");
  advance(400);
  release("slow");
  request("next");
  request("waiting");
  advance(299);
  limit.sweep();
  expect(events).not.toContain("waiting waited_too_long");
  advance(1);
  limit.sweep();
  expect(events).toContain("waiting waited_too_long");
});

test("a request that leaves the queue is not notified, and frees its place", () => {
  const { limit, request, release, events } = full();
  const waiter = request("a");
  request("b");
  waiter?.leave();
  waiter?.leave();
  expect(limit.queued).toBe(1);
  release("first");
  expect(events.slice(1)).toEqual(["b admitted"]);
});

test("only the first release of a permit counts", () => {
  const { limit, request, permits } = timedLimit({ initialLimit: 5 });
  request("a");
  request("b");
  const permit = permits.get("a");
  permit?.release("ok");
  permit?.release("ok");
  permit?.release("missed");
  permit?.release("ignored");
  expect(limit.inFlight).toBe(1);
});

test("work that ends immediately admits the next request, even 1,000 times in a row", () => {
  const timed = timedLimit({ initialLimit: 1, queueRatio: 2_000 });
  const first = timed.limit.tryAcquire("kind");
  let done = 0;
  for (let n = 0; n < 1_000; n += 1) {
    timed.limit.enqueue("kind", "write", {
      admitted: (permit) => {
        done += 1;
        permit.release("ok");
      },
      shed: () => undefined,
    });
  }
  first?.release("ok");
  expect(done).toBe(1_000);
  expect(timed.limit).toMatchObject({ inFlight: 0, queued: 0 });
});

const BURST = { initialLimit: 1, minQueue: 2, burstMs: 500, burstQueue: 50 };

test("a burst after a time without a queue may wait longer", () => {
  const { request, advance, release, events, limit } = timedLimit(BURST);
  request("first");
  for (let n = 0; n < 20; n += 1) request(`${n}`, "write");
  advance(499);
  limit.sweep();
  expect(limit.queued).toBe(20);
  release("first");
  expect(events).toEqual(["first admitted", "0 admitted"]);
});

test("a standing queue is no longer a burst", () => {
  const { request, advance, events, limit } = timedLimit(BURST);
  request("first");
  for (let n = 0; n < 20; n += 1) request(`${n}`, "write");
  advance(500);
  limit.sweep();
  expect(limit.queued).toBe(0);
  for (const name of ["a", "b", "c"]) request(name, "write");
  expect(events.slice(-1)).toEqual(["c queue_full"]);
  // The queue was not empty for long enough.
  advance(499);
  limit.sweep();
  for (const name of ["d", "e", "f"]) request(name, "write");
  expect(events.slice(-1)).toEqual(["f queue_full"]);
  advance(500);
  limit.sweep();
  advance(500);
  for (const name of ["g", "h", "i"]) request(name, "write");
  expect(limit.queued).toBe(3);
});
