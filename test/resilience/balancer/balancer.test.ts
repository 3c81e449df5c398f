/** Whom a pool chooses. */
import { describe, expect, test } from "vitest";
import { createBalancer } from "../../../src/resilience/balancer/balancer.ts";
import { rejected, Scene, START_MS } from "./support/scene.ts";
import { expectShare, seen } from "./support/shares.ts";
import { answering, shareOf, Traffic } from "./support/traffic.ts";

describe("origins that are equally good", () => {
  const WEIGHTS = [
    [1, 1],
    [3, 1],
    [1, 1, 1],
    [3, 1, 1],
    [10, 4, 6],
  ];
  const shares = (weights: readonly number[]): readonly number[] =>
    weights.map((weight) => weight / weights.reduce((sum, each) => sum + each, 0));

  test.for(WEIGHTS.map((weights) => ({ weights })))("get their shares by their weights: $weights", ({
    weights,
  }) => {
    const scene = new Scene(weights);
    weights.forEach((_, origin) => {
      scene.answerAfter(origin, 20);
    });
    shares(weights).forEach((share, origin) => {
      expectShare(scene.shareOf(origin), share);
    });
  });

  test.for(WEIGHTS.map((weights) => ({ weights })))("get them before they were ever seen: $weights", ({
    weights,
  }) => {
    const scene = new Scene(weights);
    shares(weights).forEach((share, origin) => {
      expectShare(scene.shareOf(origin), share);
    });
  });

  test.for([2, 3, 8])("get them under load as well, where their weights are the same: %i", (count) => {
    const sent = new Traffic(Array.from({ length: count }, () => answering(20))).run(10_000);
    for (let origin = 0; origin < count; origin += 1) expectShare(shareOf(origin, sent), 1 / count);
  });

  test.for([
    [3, 1],
    [3, 1, 1],
  ])("get more under load the heavier they are: %i to %i", (weights) => {
    const traffic = new Traffic(
      weights.map(() => answering(20)),
      { weights },
    );
    const sent = traffic.run(20_000);
    expect(shareOf(0, sent)).toBeGreaterThan(1.9 * shareOf(1, sent));
  });

  test.for([
    50, 200, 500,
  ])("get exactly their shares under load, one of weight 3 three times as much, at %i/s", (perSecond) => {
    const weights = [3, 1];
    const traffic = new Traffic(
      weights.map(() => answering(10)),
      { weights, perSecond },
    );
    expectShare(shareOf(0, traffic.run(10_000_000 / perSecond)), 0.75);
  });

  test("are those of which none is a quarter better than another", () => {
    expectShare(seen(100, 81).shareOf(0), 0.5);
    expect(seen(100, 60).shareOf(0)).toBeLessThan(0.4);
  });

  test("are those that all take less than what makes a difference", () => {
    expectShare(seen(5, 0.1).shareOf(0), 0.5);
  });
});

describe("an origin that is worse than the other", () => {
  test.for([
    { sharpness: 1, kept: 1 / 2 },
    { sharpness: 2, kept: 1 / 4 },
    { sharpness: 3, kept: 1 / 8 },
  ])("by twice beyond chance keeps 1/2ⁿ of its share: $sharpness", ({ sharpness, kept }) => {
    const scene = new Scene([1, 1], { sharpness, tolerance: 1.25 });
    scene.answerAfter(0, 100);
    scene.answerAfter(1, 40);
    expectShare(scene.shareOf(0), kept / 2);
  });

  test.for([2, 3, 4])("by forty times gets less than one in a hundred requests, of %i", (count) => {
    const traffic = new Traffic([answering(200), ...Array.from({ length: count - 1 }, () => answering(5))]);
    traffic.run(5_000);
    const share = shareOf(0, traffic.run(20_000));
    expect(share).toBeLessThan(0.01);
    expect(share).toBeGreaterThan(0);
  });

  test("has more requests under way", () => {
    const scene = seen(20, 20);
    const held = Array.from({ length: 5 }, () => scene.attemptAt(0));
    expect(scene.shareOf(0)).toBeLessThan(0.02);
    for (const attempt of held) attempt.ignore();
    expectShare(scene.shareOf(0), 0.5);
  });

  test("may be the lighter one with as many under way", () => {
    const scene = new Scene([3, 1]);
    for (const origin of [0, 1]) scene.answerAfter(origin, 20);
    for (let turn = 0; turn < 3; turn += 1) scene.attemptAt(0);
    scene.attemptAt(1);
    expectShare(scene.shareOf(1), 0.25);
    for (let turn = 0; turn < 2; turn += 1) scene.attemptAt(1);
    expect(scene.shareOf(1)).toBeLessThan(0.05);
  });

  test("is not so for ever by requests that never end: after a minute they are forgotten", () => {
    const scene = seen(20, 20);
    for (let turn = 0; turn < 50; turn += 1) scene.attemptAt(0);
    expect(scene.shareOf(0)).toBeLessThan(0.02);
    scene.wait(60_000);
    expectShare(scene.shareOf(0), 0.5);
  });
});

test("no single one gets more than twice its share where it is less than four times as good as the others", () => {
  expectShare(seen(20, 75, 75, 75).shareOf(0), 0.5);
});

test("one that is more than four times as good as all others gets everything", () => {
  expectShare(seen(5, 5_000, 5_000, 5_000).shareOf(0), 1);
});

test("one that was outrun counts for no more than one that has failed", () => {
  const scene = new Scene([1, 1]);
  const [outrun, slow] = [scene.attemptAt(0), scene.attemptAt(1)];
  scene.wait(5_000);
  slow?.answered();
  scene.wait(20_000);
  outrun?.hedgeLost();
  expectShare(scene.shareOf(0), 0.5);
});

test("one that was never seen is taken for the median of the others", () => {
  const scene = new Scene([1, 1, 1, 1]);
  [10, 100, 1_000].forEach((latencyMs, origin) => {
    scene.answerAfter(origin, latencyMs);
  });
  expect(scene.shareOf(3, [1, 2])).toBeLessThan(0.01);
  expectShare(scene.shareOf(3, [0, 2]), 0.5);
  expect(scene.shareOf(3, [0, 1])).toBeGreaterThan(0.95);
});

describe("origins that were tried for a request", () => {
  test("are not asked again", () => {
    const scene = new Scene([1, 1, 1]);
    expect(scene.shareOf(0, [0]) + scene.shareOf(2, [2])).toBe(0);
    expectShare(scene.shareOf(0, [1]), 0.5);
  });

  test("leave nothing to wait for where they are all that there are", () => {
    const scene = new Scene([1, 1]);
    const answer = scene.pool.acquire({ isRepeatable: true, except: [0, 1] });
    expect(rejected(answer).retryAtMs).toBeUndefined();
  });

  test("leave another one as long as one is not ejected, however badly it does", () => {
    const scene = new Scene([1, 1, 1]);
    scene.end(1, "timed out", 5);
    scene.end(2, "timed out", 4);
    expect(scene.pool.hasOther([0])).toBe(true);
    expect(scene.pool.hasOther([0, 2])).toBe(false);
    scene.end(2, "timed out");
    expect(scene.pool.hasOther([0])).toBe(false);
    expect(scene.pool.hasOther([])).toBe(true);
  });

  test("leave another one that is well, as long as nothing bad was heard of it", () => {
    const scene = new Scene([1, 1, 1]);
    expect(scene.pool.hasHealthy([0])).toBe(true);
    scene.end(1, "refused");
    expect(scene.pool.hasHealthy([0])).toBe(true);
    scene.end(2, "broken");
    expect(scene.pool.hasHealthy([0])).toBe(false);
    expect(scene.pool.hasHealthy([])).toBe(true);
  });
});

describe("a clock that is set back by an hour", () => {
  test("takes no answer for one from the past", () => {
    const scene = seen(20, 20);
    const attempt = scene.attemptAt(0);
    scene.wait(-3_600_000);
    attempt.answered();
    expectShare(scene.shareOf(0), 0.5);
  });

  test("makes no failure count for more", () => {
    const scene = seen(20, 20);
    for (const origin of [0, 1]) scene.end(origin, "broken");
    scene.wait(-3_600_000);
    expectShare(scene.shareOf(0), 0.5);
  });

  test("keeps what is under way, and lets it end", () => {
    const scene = seen(20, 20);
    const held = Array.from({ length: 5 }, () => scene.attemptAt(0));
    scene.wait(-3_600_000);
    expect(scene.shareOf(0)).toBeLessThan(0.02);
    for (const attempt of held) attempt.ignore();
    expectShare(scene.shareOf(0), 0.5);
  });

  const shareWhenWellAgain = (isRepeatable: boolean): number => {
    const traffic = new Traffic([answering(20), answering(20)], { perSecond: 20 });
    traffic.run(5_000);
    traffic.behave(0, { how: "refused", afterMs: 1 });
    traffic.run(1_000);
    traffic.behave(0, answering(20));
    traffic.setBack(3_600_000);
    traffic.run(60_000, isRepeatable);
    return shareOf(0, traffic.run(60_000, isRepeatable));
  };

  test("lets one that had failed be seen to be well again", () => {
    expectShare(shareWhenWellAgain(true), 0.5);
  });

  test("lets that be seen by requests as well that may be sent once only", () => {
    expectShare(shareWhenWellAgain(false), 0.5);
  });
});

test("a pool of no origins rejects, with nothing to wait for", () => {
  const pool = createBalancer([], {}, { now: () => START_MS, random: () => 0 });
  expect(pool.acquire({ isRepeatable: true })).toEqual({ granted: false, retryAtMs: undefined });
  expect([pool.size, pool.hasHealthy([])]).toEqual([0, false]);
});
