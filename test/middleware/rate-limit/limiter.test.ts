import { describe, expect, test } from "vitest";
import { large, limitOf, refillOf, Scene } from "./support/scene.ts";

const BOB = { network: "192.0.2.2", principal: "bob" };

describe("a key", () => {
  test("costs one round trip when it is cold, and none when it is warm", () => {
    const scene = new Scene();
    expect(scene.result(large).mode).toBe("store");
    expect(scene.store.trips).toBe(1);
    expect(scene.result(large).mode).toBe("lease");
  });

  test("costs one round trip per hundreds of requests when it is hot", () => {
    const scene = new Scene();
    for (let turn = 0; turn < 5_000; turn += 1) {
      scene.request(large);
      scene.wait(2);
    }
    expect(scene.store.trips).toBeLessThan(5_000 / 200);
  });

  test("takes no more tokens than it uses when requests are rare", () => {
    const scene = new Scene();
    for (let turn = 0; turn < 20; turn += 1) {
      scene.request(large);
      scene.wait(5_000);
    }
    // A new key takes two tokens.
    expect(scene.store.trips).toBe(20);
    expect(scene.result(large).remaining).toBeGreaterThanOrEqual(998);
  });
});

test("a bucket is shared by isolates, admits its capacity, and refills at its rate", () => {
  const limit = limitOf({ capacity: 10, refillPerSecond: 1 });
  const one = new Scene();
  const other = new Scene(one.store);
  let admitted = 0;
  for (let turn = 0; turn < 30; turn += 1) admitted += (turn % 2 === 0 ? one : other).admitted(limit, 1);
  expect(admitted).toBe(10);
  one.wait(3_000);
  expect(one.admitted(limit, 30)).toBe(3);
});

describe("a denial", () => {
  const limit = limitOf({ capacity: 2, refillPerSecond: 1 });

  test("is remembered, without a round trip, until there may be a token again", () => {
    const scene = new Scene();
    scene.admitted(limit, 2);
    const trips = scene.store.trips;
    expect(scene.outcomes(limit, 3)).toEqual(Array(3).fill("remembered limited"));
    scene.wait(999);
    expect(scene.result(limit).waitMs).toBe(1);
    expect(scene.store.trips).toBe(trips);
    scene.wait(1);
    expect(scene.result(limit).outcome).toBe("passed");
  });

  test("is checked again after a lease, because another rule may be in force", () => {
    const scene = new Scene();
    const slow = limitOf({ capacity: 3, refillPerSecond: 0.01, per: "principal" });
    scene.admitted(slow, 3);
    expect(scene.result(slow).waitMs).toBe(100_000);
    scene.store.override("test:alice", { capacity: 1_000, refillPerSecond: 100 });
    scene.wait(2_000);
    expect(scene.result(slow).outcome).toBe("passed");
  });

  test("reports a longer wait to a request that needs more tokens", () => {
    const scene = new Scene();
    const wide = limitOf({ capacity: 20, refillPerSecond: 1 });
    scene.admitted(wide, 20);
    expect(scene.result(wide).waitMs).toBe(1_000);
    expect(scene.result({ ...wide, cost: 10 }).waitMs).toBe(10_000);
  });

  test("uses no tokens if any limit of the route rejects the request", () => {
    const scene = new Scene();
    const first = limitOf({ name: "first", capacity: 100, refillPerSecond: 0.001 });
    const second = limitOf({ name: "second", capacity: 2, refillPerSecond: 0.001 });
    for (let turn = 0; turn < 50; turn += 1) scene.request([first, second]);
    expect(scene.admitted(first, 200)).toBe(98);
  });

  test("of a request for several tokens does not apply to a request that needs fewer", () => {
    const scene = new Scene();
    scene.admitted(limit, 1);
    expect(scene.result({ ...limit, cost: 2 }).outcome).toBe("limited");
    expect(scene.result(limit).outcome).toBe("passed");
  });
});

describe("several limits of a route", () => {
  const a = { ...large, name: "a" };
  const b = { ...large, name: "b", per: "principal" } as const;

  test("share one round trip", () => {
    const scene = new Scene();
    expect(scene.request([a, b]).results.map(({ mode }) => mode)).toEqual(["store", "store"]);
    expect(scene.store.trips).toBe(1);
  });

  test("take tokens from the store only for the cold ones", () => {
    const scene = new Scene();
    scene.request(a);
    const { asks } = refillOf(scene.begin([a, b]).next());
    expect(asks.map(({ bucket }) => bucket)).toEqual(["b:p:alice"]);
  });

  test("refill a lease that would expire during another limit's round trip in the same one", () => {
    const scene = new Scene();
    scene.request(a);
    scene.wait(1_900);
    const check = scene.begin([a, b]);
    expect(refillOf(check.next()).asks.map(({ need }) => need)).toEqual([1, 1]);
  });
});

describe("a strict limit", () => {
  const strict = limitOf({ capacity: 5, refillPerSecond: 1, strict: true });

  test("calls the store for each request, for one token each", () => {
    const scene = new Scene();
    expect(scene.outcomes(strict, 5)).toEqual(Array(5).fill("store passed"));
    expect(scene.store.trips).toBe(5);
  });

  test("remembers its denials too", () => {
    const scene = new Scene();
    expect(scene.admitted(strict, 100)).toBe(5);
    expect(scene.store.trips).toBe(5);
    scene.wait(1_000);
    expect(scene.result(strict)).toMatchObject({ mode: "store", outcome: "passed" });
  });
});

describe("weighted requests", () => {
  test("take as many tokens as they cost", () => {
    const limit = limitOf({ capacity: 10, cost: 3, refillPerSecond: 0.001 });
    expect(new Scene().admitted(limit, 20)).toBe(3);
  });

  test("share one bucket if their limits have the same name", () => {
    const scene = new Scene();
    const limit = limitOf({ refillPerSecond: 0.001 });
    expect(scene.admitted({ ...limit, cost: 4 }, 2)).toBe(2);
    expect(scene.admitted(limit, 20)).toBe(2);
  });
});

describe("a dry run", () => {
  const tried = limitOf({ capacity: 2, refillPerSecond: 0.5, dryRun: true });

  test("counts, reports what it would reject, and rejects nothing", () => {
    const scene = new Scene();
    const verdicts = Array.from({ length: 5 }, () => scene.request(tried));
    expect(verdicts.every(({ isAdmitted }) => isAdmitted)).toBe(true);
    const outcomes = verdicts.map(({ results }) => results[0]?.outcome);
    expect(outcomes).toEqual([...Array(2).fill("passed"), ...Array(3).fill("limited")]);
  });

  test("does not affect other limits", () => {
    const scene = new Scene();
    const enforced = limitOf({ name: "enforced", capacity: 4, refillPerSecond: 0.001 });
    for (let turn = 0; turn < 10; turn += 1)
      expect(scene.request([tried, enforced]).isAdmitted).toBe(turn < 4);
  });

  test("passes while the store does not answer", () => {
    const scene = new Scene();
    scene.isStoreThere = false;
    expect(scene.result(tried)).toMatchObject({ mode: "open", outcome: "passed" });
  });
});

describe("an override", () => {
  const limit = limitOf({ capacity: 5, refillPerSecond: 1, per: "principal" });

  test("gives a principal another rule at the next round trip", () => {
    const scene = new Scene();
    scene.store.override("test:alice", { capacity: 8, refillPerSecond: 1 });
    expect(scene.admitted(limit, 20)).toBe(8);
    expect(scene.admitted(limit, 20, BOB)).toBe(5);
  });

  test("that lowers a limit during a lease is in force when the lease has ended", () => {
    const scene = new Scene();
    const wide = limitOf({ capacity: 1_000, refillPerSecond: 100, per: "principal" });
    for (let turn = 0; turn < 100; turn += 1) {
      scene.request(wide);
      scene.wait(10);
    }
    scene.store.override("test:alice", { capacity: 3, refillPerSecond: 1 });
    scene.wait(3_000);
    expect(scene.admitted(wide, 100)).toBe(3);
  });
});

test("an isolate forgets the keys that were used least recently, after 20,000 others", () => {
  const scene = new Scene();
  scene.request(large);
  for (let client = 0; client < 20_001; client += 1)
    scene.request(large, { network: `10.0.${client >> 8}.${client & 255}`, principal: undefined });
  expect(scene.result(large).mode).toBe("store");
});
