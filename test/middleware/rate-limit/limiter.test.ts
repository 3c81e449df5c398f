import { describe, expect, test } from "vitest";
import { MAX_BUCKETS } from "../../../src/middleware/rate-limit/limiter.ts";
import type { Refill } from "../../../src/middleware/rate-limit/refill.ts";
import type { RequestCheck, Step } from "../../../src/middleware/rate-limit/request-check.ts";
import { ALICE, limitOf, Scene } from "./support/scene.ts";

const BOB = { network: "192.0.2.2", principal: "bob" };
const large = limitOf({ capacity: 1_000, refillPerSecond: 1_000 });

const refillOf = (step: Step): Refill => {
  if (step.kind !== "refill") throw new Error(`expected a refill, not ${step.kind}`);
  return step.refill;
};

const verdictOf = (step: Step) => {
  if (step.kind !== "decided") throw new Error(`expected a decision, not ${step.kind}`);
  return step.verdict;
};

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

describe("a long denial", () => {
  test("is checked again after a lease, because another rule may be in force", () => {
    const scene = new Scene({ leaseMs: 2_000 });
    const limit = limitOf({ capacity: 3, refillPerSecond: 0.01, per: "principal" });
    scene.admitted(limit, 3);
    const { waitMs } = scene.result(limit);
    expect(waitMs).toBe(100_000);
    scene.store.override("test:alice", { capacity: 1_000, refillPerSecond: 100 });
    scene.wait(2_000);
    expect(scene.result(limit).outcome).toBe("passed");
  });

  test("reports a longer wait to a request that needs more tokens", () => {
    const scene = new Scene();
    const limit = limitOf({ capacity: 20, refillPerSecond: 1 });
    scene.admitted(limit, 20);
    expect(scene.result(limit).waitMs).toBe(1_000);
    expect(scene.result({ ...limit, cost: 10 }).waitMs).toBe(10_000);
  });
});

test("a bucket is shared by isolates, admits its capacity, and refills at its rate", () => {
  const limit = limitOf({ capacity: 10, refillPerSecond: 1 });
  const one = new Scene();
  const other = new Scene({}, one.store);
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

  test("reports to the millisecond when there is a token again", () => {
    const scene = new Scene();
    scene.admitted(limit, 2);
    scene.wait(250);
    const { waitMs } = scene.result(limit);
    scene.wait(waitMs - 1);
    expect(scene.result(limit).outcome).toBe("limited");
    scene.wait(1);
    expect(scene.result(limit).outcome).toBe("passed");
  });

  test("uses no tokens, whichever limit of the route rejects the request", () => {
    const scene = new Scene();
    const first = limitOf({ name: "first", capacity: 100, refillPerSecond: 0.001 });
    const second = limitOf({ name: "second", capacity: 2, refillPerSecond: 0.001 });
    for (let turn = 0; turn < 50; turn += 1) scene.request([first, second]);
    expect(scene.admitted(first, 200)).toBe(98);
  });

  test("of a request for several tokens does not apply to a request that needs fewer", () => {
    const scene = new Scene();
    const dear = { ...limit, cost: 2 };
    scene.admitted(limit, 1);
    expect(scene.result(dear).outcome).toBe("limited");
    expect(scene.result(limit).outcome).toBe("passed");
  });
});

describe("several limits of a route", () => {
  const limits = [limitOf({ name: "a" }), limitOf({ name: "b", per: "principal" })];

  test("share one round trip", () => {
    const scene = new Scene();
    expect(scene.request(limits).results.map(({ mode }) => mode)).toEqual(["store", "store"]);
    expect(scene.store.trips).toBe(1);
  });

  test("need tokens from the store only for the cold ones", () => {
    const scene = new Scene();
    const [a, b] = [
      { ...large, name: "a" },
      { ...large, name: "b" },
    ];
    scene.request(a);
    const check = scene.limiter.begin([a, b], ALICE);
    const asked = refillOf(check.next()).asks.filter(({ need }) => need > 0);
    expect(asked.map(({ bucket }) => bucket)).toEqual(["b:c:192.0.2.1"]);
  });

  test("refill a lease that would expire during another limit's round trip in the same one", () => {
    const scene = new Scene({ leaseMs: 2_000, deadlineMs: 150 });
    const [a, b] = [
      { ...large, name: "a" },
      { ...large, name: "b" },
    ];
    scene.request(a);
    scene.wait(1_900);
    const check = scene.limiter.begin([a, b], ALICE);
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
    const [cheap, dear] = [limitOf({ refillPerSecond: 0.001 }), limitOf({ refillPerSecond: 0.001, cost: 4 })];
    expect(scene.admitted(dear, 2)).toBe(2);
    expect(scene.admitted(cheap, 20)).toBe(2);
  });
});

describe("a dry run", () => {
  const tried = limitOf({ capacity: 2, refillPerSecond: 0.5, dryRun: true });

  test("counts, reports what it would reject, and rejects nothing", () => {
    const scene = new Scene();
    const verdicts = Array.from({ length: 5 }, () => scene.request(tried));
    expect(verdicts.every(({ isAdmitted }) => isAdmitted)).toBe(true);
    expect(verdicts.map(({ results }) => results[0]?.outcome)).toEqual([
      "passed",
      "passed",
      "limited",
      "limited",
      "limited",
    ]);
  });

  test("does not affect other limits", () => {
    const scene = new Scene();
    const kept = limitOf({ name: "kept", capacity: 4, refillPerSecond: 0.001 });
    const admitted = Array.from({ length: 10 }, () => scene.request([tried, kept])).filter(
      ({ isAdmitted }) => isAdmitted,
    );
    expect(admitted).toHaveLength(4);
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
    const scene = new Scene({ leaseMs: 2_000 });
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

describe("while the store does not answer", () => {
  const without = (onStoreFailure: "local" | "open" | "closed") => {
    const scene = new Scene();
    scene.isStoreThere = false;
    return { scene, limit: limitOf({ capacity: 3, refillPerSecond: 1, onStoreFailure }) };
  };

  test("local: the isolate's own bucket decides", () => {
    const { scene, limit } = without("local");
    expect(scene.outcomes(limit, 4)).toEqual([...Array(3).fill("local passed"), "local limited"]);
    expect(scene.result(limit).waitMs).toBe(1_000);
    scene.wait(1_000);
    expect(scene.admitted(limit, 3)).toBe(1);
  });

  test("open: every request is admitted", () => {
    const { scene, limit } = without("open");
    expect(scene.outcomes(limit, 10)).toEqual(Array(10).fill("open passed"));
  });

  test("closed: no request is admitted", () => {
    const { scene, limit } = without("closed");
    expect(scene.outcomes(limit, 10)).toEqual(Array(10).fill("closed unavailable"));
  });

  test("leased tokens are used first", () => {
    const scene = new Scene();
    scene.request(large);
    scene.isStoreThere = false;
    expect(scene.result(large).mode).toBe("lease");
  });

  test("a request that a closed limit rejects uses no tokens of a local one", () => {
    const { scene, limit } = without("local");
    const closed = limitOf({ name: "closed", onStoreFailure: "closed" });
    for (let turn = 0; turn < 10; turn += 1) scene.request([limit, closed]);
    expect(scene.admitted(limit, 10)).toBe(3);
  });

  test("decisions are not remembered for when the store is back", () => {
    const { scene, limit } = without("local");
    scene.admitted(limit, 10);
    scene.isStoreThere = true;
    expect(scene.outcomes(limit, 4)).toEqual([
      "store passed",
      expect.stringMatching("passed"),
      expect.stringMatching("passed"),
      "remembered limited",
    ]);
  });
});

describe("concurrent requests", () => {
  const hot = limitOf({ capacity: 1_000, refillPerSecond: 1_000 });
  const begin = (scene: Scene) => {
    const check = scene.limiter.begin([hot], ALICE);
    return { check, step: check.next() };
  };

  /** Enough round trips of that duration to expect it. */
  const afterTrips = (tripMs: number): Scene => {
    const scene = new Scene({ deadlineMs: 150 });
    for (let turn = 0; turn < 60; turn += 1) {
      const { check, step } = begin(scene);
      scene.wait(tripMs);
      if (step.kind === "refill") {
        scene.answer(step.refill);
        check.next();
      }
      scene.wait(2_000);
    }
    return scene;
  };

  test("make few round trips, each of which takes twice as many tokens", () => {
    const scene = new Scene();
    const begun = Array.from({ length: 100 }, () => begin(scene));
    const asking = begun.filter(({ step }) => step.kind === "refill");
    expect(asking.length).toBeLessThanOrEqual(8);
    expect(begun.filter(({ step }) => step.kind === "wait")).toHaveLength(100 - asking.length);
    scene.wait(40);
    for (const { check, step } of asking) {
      scene.answer(refillOf(step));
      expect(verdictOf(check.next()).isAdmitted).toBe(true);
    }
    // Each gets the tokens that it has waited for, although another request comes first.
    expect(verdictOf(begin(scene).step).isAdmitted).toBe(true);
    for (const { check, step } of begun)
      if (step.kind === "wait") expect(verdictOf(check.next()).isAdmitted).toBe(true);
  });

  const waiting = (scene: Scene): { leader: Refill; follower: RequestCheck } => {
    const leader = refillOf(begin(scene).step);
    const { check: follower, step } = begin(scene);
    expect(step.kind).toBe("wait");
    return { leader, follower };
  };

  test("share the store's failure", () => {
    const scene = new Scene();
    const { leader, follower } = waiting(scene);
    scene.wait(100);
    leader.failed();
    expect(verdictOf(follower.next()).results[0]?.mode).toBe("closed");
  });

  test("call the store themselves if the request that refills for them has died", () => {
    const scene = afterTrips(5);
    const { follower } = waiting(scene);
    scene.wait(60);
    expect(follower.next().kind).toBe("refill");
  });

  test("wait no longer than the deadline for a refill that never ends", () => {
    const scene = new Scene({ deadlineMs: 150 });
    const { follower } = waiting(scene);
    scene.wait(149);
    expect(follower.next()).toEqual({ kind: "wait", ms: 1 });
    scene.wait(1);
    expect(follower.next().kind).toBe("decided");
  });

  test("are denied at once if the refill brings fewer tokens than expected", () => {
    const scene = new Scene();
    const limit = limitOf({ capacity: 20, refillPerSecond: 1 });
    // Another isolate leaves one token.
    expect(new Scene({}, scene.store).request({ ...limit, cost: 19 }).isAdmitted).toBe(true);
    const leader = scene.limiter.begin([limit], ALICE);
    const refill = refillOf(leader.next());
    const follower = scene.limiter.begin([limit], ALICE);
    expect(follower.next().kind).toBe("wait");
    scene.answer(refill);
    expect(verdictOf(leader.next()).isAdmitted).toBe(true);
    expect(verdictOf(follower.next()).results[0]).toMatchObject({ mode: "remembered", outcome: "limited" });
  });

  test("send one refill, not one each, if a round trip is late", () => {
    const scene = afterTrips(5);
    const begun = Array.from({ length: 60 }, () => begin(scene));
    scene.wait(40);
    const steps = begun.filter(({ step }) => step.kind === "wait").map(({ check }) => check.next());
    expect(steps.filter(({ kind }) => kind === "refill").length).toBeLessThanOrEqual(2);
  });

  test("with too little time left do not count against the store", () => {
    const scene = afterTrips(80);
    const { leader, follower } = waiting(scene);
    scene.wait(100);
    // The store has fewer tokens than before.
    leader.answered([
      { granted: 1, available: 500, rule: { capacity: 1_000, refillPerSecond: 1_000 }, waitMs: 0 },
    ]);
    const refill = refillOf(follower.next());
    expect(refill).toMatchObject({ timeoutMs: 80, isHurried: true });
  });

  test("call the store themselves if a wait in vain would leave no time to do so", () => {
    const scene = afterTrips(120);
    const steps = Array.from({ length: 5 }, () => begin(scene).step.kind);
    expect(steps).toEqual(Array(5).fill("refill"));
  });
});

describe("the isolate's clock", () => {
  test("that is set back ends every lease", () => {
    const scene = new Scene();
    for (let turn = 0; turn < 100; turn += 1) scene.request(large);
    expect(scene.result(large).mode).toBe("lease");
    scene.wait(-1);
    expect(scene.result(large).mode).toBe("store");
  });

  test("that is set back during a refill voids its tokens, and ends the wait for it", () => {
    const scene = new Scene();
    const leader = scene.limiter.begin([large], ALICE);
    const refill = refillOf(leader.next());
    const follower = scene.limiter.begin([large], ALICE);
    expect(follower.next().kind).toBe("wait");
    scene.wait(-1_000);
    scene.answer(refill);
    expect(verdictOf(leader.next()).isAdmitted).toBe(true);
    expect(follower.next().kind).toBe("refill");
  });

  test("that is set back does not refill the isolate's own bucket", () => {
    const scene = new Scene();
    scene.isStoreThere = false;
    const limit = limitOf({ capacity: 3, refillPerSecond: 5, onStoreFailure: "local" });
    let admitted = 0;
    for (let turn = 0; turn < 50; turn += 1) {
      scene.wait(-1);
      admitted += scene.admitted(limit, 1);
    }
    expect(admitted).toBe(3);
  });

  test("may show any time", () => {
    for (const nowMs of [0, -5, 1e15]) {
      const scene = new Scene();
      scene.nowMs = nowMs;
      expect(scene.admitted(limitOf({ capacity: 3 }), 5)).toBe(3);
    }
  });
});

describe("the isolate's memory", () => {
  test("is bounded, however many keys there are", () => {
    const scene = new Scene();
    const limit = limitOf({ onStoreFailure: "local" });
    for (let client = 0; client < MAX_BUCKETS + 1_000; client += 1) {
      scene.isStoreThere = client % 2 === 0;
      scene.request(limit, { network: `10.0.${client >> 8}.${client & 255}`, principal: undefined });
    }
    expect(scene.limiter.size).toBeLessThanOrEqual(MAX_BUCKETS);
  });

  test("has valid options", () => {
    expect(() => new Scene({ leaseMs: 0 })).toThrow("leaseMs must be above 0, and finite");
  });
});
