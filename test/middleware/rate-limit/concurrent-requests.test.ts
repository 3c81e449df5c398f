import { describe, expect, test } from "vitest";
import type { Refill } from "../../../src/middleware/rate-limit/refill.ts";
import type { RequestCheck } from "../../../src/middleware/rate-limit/request-check.ts";
import { large, limitOf, refillOf, Scene, verdictOf } from "./support/scene.ts";

describe("concurrent requests", () => {
  const begin = (scene: Scene) => {
    const check = scene.begin([large]);
    return { check, step: check.next() };
  };

  /** Enough round trips of that duration to expect it. */
  const afterTrips = (tripMs: number): Scene => {
    const scene = new Scene();
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
    const scene = new Scene();
    const { follower } = waiting(scene);
    expect(scene.poll(follower, 149)).toEqual({ kind: "wait", ms: 1 });
    scene.wait(1);
    expect(follower.next().kind).toBe("decided");
  });

  test("lose no time by the isolate's own backlog, in which timers are late", () => {
    const scene = new Scene();
    const { follower } = waiting(scene);
    scene.wait(400);
    expect(refillOf(follower.next()).timeoutMs).toBeGreaterThan(100);
  });

  test("are denied at once if the refill brings fewer tokens than expected", () => {
    const scene = new Scene();
    const limit = limitOf({ capacity: 20, refillPerSecond: 1 });
    // Another isolate leaves one token.
    expect(new Scene(scene.store).request({ ...limit, cost: 19 }).isAdmitted).toBe(true);
    const leader = scene.begin([limit]);
    const refill = refillOf(leader.next());
    const follower = scene.begin([limit]);
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
    scene.poll(follower, 100);
    // The store has fewer tokens than before.
    leader.answered([{ granted: 1, available: 500, rule: large, waitMs: 0 }]);
    const refill = refillOf(follower.next());
    expect(refill).toMatchObject({ timeoutMs: 80, isHurried: true });
  });

  test("call the store themselves if a wait in vain would leave no time to do so", () => {
    const scene = afterTrips(120);
    const steps = Array.from({ length: 5 }, () => begin(scene).step.kind);
    expect(steps).toEqual(Array(5).fill("refill"));
  });
});
