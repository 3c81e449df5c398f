/** The choice among origins. */
import { describe, expect, test } from "vitest";
import { Balancer } from "../../../src/resilience/balancer/balancer.ts";
import { rejected, Scene, START_MS } from "./support/scene.ts";
import { expectShare, seen } from "./support/shares.ts";
import { answering, shareOf, Traffic } from "./support/traffic.ts";

describe("equal origins", () => {
  const WEIGHTS = [
    [1, 1],
    [3, 1],
    [1, 1, 1],
    [3, 1, 1],
    [10, 4, 6],
    [19, 1],
  ];
  const shares = (weights: readonly number[]): readonly number[] =>
    weights.map((weight) => weight / weights.reduce((sum, each) => sum + each, 0));

  test.for(WEIGHTS.map((weights) => ({ weights })))("get shares by weight: $weights", ({ weights }) => {
    const scene = new Scene(weights);
    weights.forEach((_, origin) => {
      scene.answerAfter(origin, 20);
    });
    shares(weights).forEach((share, origin) => {
      expectShare(scene.shareOf(origin), share);
    });
  });

  test.for([2, 3, 8])("get equal shares under load: %i origins", (count) => {
    const sent = new Traffic(Array.from({ length: count }, () => answering(20))).run(10_000);
    for (let origin = 0; origin < count; origin += 1) expectShare(shareOf(origin, sent), 1 / count);
  });

  test.for([
    [3, 1],
    [3, 1, 1],
  ])("with a higher weight get more under load: %i to %i", (weights) => {
    const traffic = new Traffic(
      weights.map(() => answering(20)),
      { weights },
    );
    const sent = traffic.run(20_000);
    expect(shareOf(0, sent)).toBeGreaterThan(1.9 * shareOf(1, sent));
  });

  test.for([50, 200, 500])("get shares by weight under load at %i/s", (perSecond) => {
    const weights = [3, 1];
    const traffic = new Traffic(
      weights.map(() => answering(10)),
      { weights, perSecond },
    );
    expectShare(shareOf(0, traffic.run(10_000_000 / perSecond)), 0.75);
  });

  test("are those whose latencies differ by less than a quarter, or are below the minimum", () => {
    expectShare(seen(100, 81).shareOf(0), 0.5);
    expect(seen(100, 60).shareOf(0)).toBeLessThan(0.4);
    expectShare(seen(5, 0.1).shareOf(0), 0.5);
  });
});

describe("a worse origin", () => {
  test("with twice the score beyond the tolerance keeps an eighth of its share", () => {
    const scene = new Scene([1, 1]);
    scene.answerAfter(0, 100);
    scene.answerAfter(1, 40);
    expectShare(scene.shareOf(0), 1 / 16);
  });

  test.for([
    2, 3, 4,
  ])("with forty times the latency gets less than one in a hundred requests, of %i origins", (count) => {
    const traffic = new Traffic([answering(200), ...Array.from({ length: count - 1 }, () => answering(5))]);
    traffic.run(5_000);
    const share = shareOf(0, traffic.run(20_000));
    expect(share).toBeLessThan(0.01);
    expect(share).toBeGreaterThan(0);
  });

  test("is one with more requests in flight", () => {
    const scene = seen(20, 20);
    const attempts = Array.from({ length: 5 }, () => scene.attemptAt(0));
    expect(scene.shareOf(0)).toBeLessThan(0.02);
    for (const attempt of attempts) attempt.ignore();
    expectShare(scene.shareOf(0), 0.5);
  });

  test("is the one with the lower weight if both have as many requests in flight", () => {
    const scene = new Scene([3, 1]);
    for (const origin of [0, 1]) scene.answerAfter(origin, 20);
    for (let turn = 0; turn < 3; turn += 1) scene.attemptAt(0);
    scene.attemptAt(1);
    expectShare(scene.shareOf(1), 0.25);
    for (let turn = 0; turn < 2; turn += 1) scene.attemptAt(1);
    expect(scene.shareOf(1)).toBeLessThan(0.05);
  });
});

test("a better origin gets at most twice its share if it is less than four times better", () => {
  expectShare(seen(20, 75, 75, 75).shareOf(0), 0.5);
});

test("an origin that is more than four times better than all others gets everything", () => {
  expectShare(seen(5, 5_000, 5_000, 5_000).shareOf(0), 1);
});

test("a lost hedge counts at most like a failure", () => {
  const scene = new Scene([1, 1]);
  const [lost, slow] = [scene.attemptAt(0), scene.attemptAt(1)];
  scene.wait(5_000);
  slow?.answered();
  scene.wait(20_000);
  lost?.hedgeLost();
  expectShare(scene.shareOf(0), 0.5);
});

test("an origin without samples counts as the median of the others", () => {
  const scene = new Scene([1, 1, 1, 1]);
  [10, 100, 1_000].forEach((latencyMs, origin) => {
    scene.answerAfter(origin, latencyMs);
  });
  expect(scene.shareOf(3, [1, 2])).toBeLessThan(0.01);
  expectShare(scene.shareOf(3, [0, 2]), 0.5);
  expect(scene.shareOf(3, [0, 1])).toBeGreaterThan(0.95);
});

describe("origins already tried for a request", () => {
  test("are not tried again", () => {
    const scene = new Scene([1, 1, 1]);
    expect(scene.shareOf(0, [0]) + scene.shareOf(2, [2])).toBe(0);
    expectShare(scene.shareOf(0, [1]), 0.5);
  });

  test("leave no retry time if there are no others", () => {
    const scene = new Scene([1, 1]);
    const answer = scene.balancer.acquire({ isRepeatable: true, except: [0, 1] });
    expect(rejected(answer).retryAtMs).toBeUndefined();
  });

  test("leave another one until all others are ejected", () => {
    const scene = new Scene([1, 1, 1]);
    scene.end(1, "timed out", 5);
    scene.end(2, "timed out", 4);
    expect(scene.balancer.hasOther([0])).toBe(true);
    expect(scene.balancer.hasOther([0, 2])).toBe(false);
    scene.end(2, "timed out");
    expect(scene.balancer.hasOther([0])).toBe(false);
    expect(scene.balancer.hasOther([])).toBe(true);
  });

  test("leave a healthy one until the last results of all others are failures", () => {
    const scene = new Scene([1, 1, 1]);
    expect(scene.balancer.hasHealthy([0])).toBe(true);
    scene.end(1, "refused");
    expect(scene.balancer.hasHealthy([0])).toBe(true);
    scene.end(2, "broken");
    expect(scene.balancer.hasHealthy([0])).toBe(false);
    expect(scene.balancer.hasHealthy([])).toBe(true);
  });
});

describe("a clock that is set back by an hour", () => {
  test("makes no latency negative", () => {
    const scene = seen(20, 20);
    const attempt = scene.attemptAt(0);
    scene.wait(-3_600_000);
    attempt.answered();
    expectShare(scene.shareOf(0), 0.5);
  });

  test("increases no penalty", () => {
    const scene = seen(20, 20);
    for (const origin of [0, 1]) scene.end(origin, "broken");
    scene.wait(-3_600_000);
    expectShare(scene.shareOf(0), 0.5);
  });

  const shareAfterRecovery = (isRepeatable: boolean): number => {
    const traffic = new Traffic([answering(20), answering(20)], { perSecond: 20 });
    traffic.run(5_000);
    traffic.behave(0, { how: "refused", afterMs: 1 });
    traffic.run(1_000);
    traffic.behave(0, answering(20));
    traffic.setBack(3_600_000);
    traffic.run(60_000, isRepeatable);
    return shareOf(0, traffic.run(60_000, isRepeatable));
  };

  test.for([true, false])("does not prevent recovery: repeatable %s", (isRepeatable) => {
    expectShare(shareAfterRecovery(isRepeatable), 0.5);
  });
});

test("a balancer without origins rejects all requests, without a retry time", () => {
  const balancer = new Balancer([], {}, { now: () => START_MS, random: () => 0 });
  expect(balancer.acquire({ isRepeatable: true })).toEqual({ granted: false, retryAtMs: undefined });
  expect([balancer.size, balancer.hasHealthy([])]).toEqual([0, false]);
});
