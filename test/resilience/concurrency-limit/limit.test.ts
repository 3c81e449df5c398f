import { expect, test } from "vitest";
import { type TimedLimit, timedLimit } from "./support/timed-limit.ts";

/** One place, taken by "first". */
const full = (minQueue = 8): TimedLimit => {
  const timed = timedLimit({ initialLimit: 1, minQueue });
  timed.ask("first");
  return timed;
};

test("as much as the limit says is under way at once, and what comes then waits", () => {
  const { limit, ask, told } = timedLimit({ initialLimit: 2 });
  for (const name of ["a", "b", "c"]) ask(name);
  expect(told).toEqual(["a admitted", "b admitted"]);
  expect(limit).toMatchObject({ limit: 2, inFlight: 2, queued: 1 });
});

test("a place that comes free goes to who came first", () => {
  const { ask, end, told } = full();
  for (const name of ["a", "b"]) ask(name);
  end("first");
  end("a");
  expect(told).toEqual(["first admitted", "a admitted", "b admitted"]);
});

test("writes get it before reads, and reads before background work", () => {
  const { ask, end, told } = full(20);
  ask("background", "background");
  ask("read", "read");
  ask("write", "write");
  for (const name of ["first", "write", "read"]) end(name);
  expect(told.slice(1)).toEqual(["write admitted", "read admitted", "background admitted"]);
});

test("where there is no room, the newest of the lowest priority goes for a higher one", () => {
  const { ask, told, sheds } = full(4);
  ask("background", "background");
  ask("older", "read");
  ask("newer", "read");
  ask("write", "write");
  ask("another", "write");
  ask("third", "write");
  expect(told.slice(1)).toEqual(["background displaced", "newer displaced"]);
  expect(sheds).toEqual([
    { priority: "background", reason: "displaced", atMs: 1_000 },
    { priority: "read", reason: "displaced", atMs: 1_000 },
  ]);
});

test("for one of the same or a lower priority nobody goes: it is shed itself", () => {
  const { ask, told, sheds } = full(2);
  ask("a", "write");
  ask("b", "write");
  ask("c", "write");
  ask("d", "read");
  expect(told.slice(1)).toEqual(["c queue_full", "d queue_full"]);
  expect(sheds.map(({ priority, reason }) => [priority, reason])).toEqual([
    ["write", "queue_full"],
    ["read", "queue_full"],
  ]);
});

test("reads leave some of the room to writes, and background work more of it", () => {
  const { limit, ask } = full(10);
  const fill = (priority: "background" | "read" | "write"): number => {
    for (let n = 0; n < 20; n += 1) ask(`${priority} ${n}`, priority);
    return limit.queued;
  };
  expect([fill("background"), fill("read"), fill("write")]).toEqual([3, 6, 10]);
});

test("nobody waits longer than it may: the sweep tells them", () => {
  const { limit, ask, wait, told, sheds } = full();
  ask("early");
  wait(30);
  ask("late");
  limit.sweep();
  expect(told).toEqual(["first admitted"]);
  wait(20);
  limit.sweep();
  expect(told).toEqual(["first admitted", "early waited_too_long"]);
  expect(sheds).toEqual([{ priority: "read", reason: "waited_too_long", atMs: 1_050 }]);
  expect(limit.queued).toBe(1);
});

test("who has waited too long gets no place, though no sweep has come by", () => {
  const { ask, end, wait, told } = full();
  ask("early");
  wait(49);
  ask("late");
  wait(1);
  end("first");
  expect(told.slice(1)).toEqual(["early waited_too_long", "late admitted"]);
});

test("where work takes longer, it may be waited for longer, up to the longest time", () => {
  const { ask, end, wait, told, limit } = timedLimit({
    initialLimit: 1,
    maxWaitMs: 300,
    minimumSamples: 1,
  });
  ask("slow");
  wait(400);
  end("slow");
  ask("next");
  ask("waiting");
  wait(299);
  limit.sweep();
  expect(told).not.toContain("waiting waited_too_long");
  wait(1);
  limit.sweep();
  expect(told).toContain("waiting waited_too_long");
});

test("who leaves the queue is told nothing, and its room is free", () => {
  const { limit, ask, end, told } = full();
  const waiter = ask("a");
  ask("b");
  waiter?.leave();
  waiter?.leave();
  expect(limit.queued).toBe(1);
  end("first");
  expect(told.slice(1)).toEqual(["b admitted"]);
});

test("leaving after having been admitted changes nothing", () => {
  const { limit, ask, end } = full();
  const waiter = ask("a");
  end("first");
  waiter?.leave();
  expect(limit).toMatchObject({ inFlight: 1, queued: 0 });
});

test("only the first end that a place is told counts", () => {
  const { limit, ask, places } = timedLimit({ initialLimit: 5 });
  ask("a");
  ask("b");
  const place = places.get("a");
  place?.answered();
  place?.answered();
  place?.missed();
  place?.ignore();
  expect(limit.inFlight).toBe(1);
});

test("work that is done as soon as it is admitted lets the next one in, however many wait", () => {
  const timed = timedLimit({ initialLimit: 1, queueRatio: 2_000 });
  const first = timed.limit.tryEnter("kind");
  let done = 0;
  for (let n = 0; n < 1_000; n += 1) {
    timed.limit.wait("kind", "write", {
      admitted: (place) => {
        done += 1;
        place.answered();
      },
      shed: () => undefined,
    });
  }
  first?.answered();
  expect(done).toBe(1_000);
  expect(timed.limit).toMatchObject({ inFlight: 0, queued: 0 });
});

test.for([
  { minLimit: 0 },
  { maxLimit: 2.5 },
  { minLimit: 5, maxLimit: 4 },
  { initialLimit: 2_000 },
  { tolerance: 1 },
  { tolerance: Number.NaN },
  { queueRatio: -1 },
  { minQueue: 0.5 },
  { maxWaitMs: 0 },
  { windowMs: Number.NaN },
  { minimumSamples: 0 },
])("options that make no sense are refused: %o", (options) => {
  const [name = ""] = Object.keys(options);
  expect(() => timedLimit(options)).toThrow(RangeError);
  expect(() => timedLimit(options)).toThrow(name);
});

test("what comes all at once, after a time in which nobody had to wait, may wait longer", () => {
  const { ask, wait, end, told, limit } = timedLimit({
    initialLimit: 1,
    minQueue: 2,
    burstMs: 500,
    burstQueue: 50,
  });
  ask("first");
  for (let n = 0; n < 20; n += 1) ask(`${n}`, "write");
  wait(499);
  limit.sweep();
  expect(limit.queued).toBe(20);
  end("first");
  expect(told).toEqual(["first admitted", "0 admitted"]);
});

test("a queue that goes on standing is a burst no more", () => {
  const { ask, wait, told, limit } = timedLimit({
    initialLimit: 1,
    minQueue: 2,
    burstMs: 500,
    burstQueue: 50,
  });
  ask("first");
  for (let n = 0; n < 20; n += 1) ask(`${n}`, "write");
  wait(500);
  limit.sweep();
  expect(limit.queued).toBe(0);
  for (const name of ["a", "b", "c"]) ask(name, "write");
  expect(told.slice(-1)).toEqual(["c queue_full"]);
  // Somebody had to wait a moment ago.
  wait(499);
  limit.sweep();
  for (const name of ["d", "e", "f"]) ask(name, "write");
  expect(told.slice(-1)).toEqual(["f queue_full"]);
  wait(500);
  limit.sweep();
  wait(500);
  for (const name of ["g", "h", "i"]) ask(name, "write");
  expect(limit.queued).toBe(3);
});
