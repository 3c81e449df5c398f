/** The effect of failures on an origin's share. */
import { describe, expect, test } from "vitest";
import { ENDS, type Scene } from "./support/scene.ts";
import { expectShare, seen } from "./support/shares.ts";
import { answering, shareOf, Traffic } from "./support/traffic.ts";

/** Twice, because a single refusal is not penalized. */
const refuse = (scene: Scene, origin: number, retryAfterMs: number): void => {
  for (let turn = 0; turn < 2; turn += 1) scene.attemptAt(origin).refused(retryAfterMs);
};

describe("a failure", () => {
  const KINDS = ["refused", "broken", "gateway", "timed out"] as const;

  test.for(
    KINDS.flatMap((how) => [2, 3, 4].map((count) => ({ how, count }))),
  )("($how) moves nearly all requests away for two seconds, probes included, of $count origins", ({
    how,
    count,
  }) => {
    const traffic = new Traffic(Array.from({ length: count }, () => answering(20)));
    traffic.run(5_000);
    traffic.behave(0, { how, afterMs: 1 });
    // Until the first failures have ended.
    traffic.run(50);
    const sent = traffic.run(2_000);
    expect(shareOf(0, sent)).toBeLessThan(0.03);
    expect(sent.length).toBeGreaterThan(800);
  });

  test.for(["server error", "ignored"] as const)("is no attempt with the outcome: %s", (how) => {
    const scene = seen(20, 20);
    scene.end(0, how, 20);
    const slow = scene.attemptAt(0);
    scene.wait(5_000);
    ENDS[how](slow);
    expect(scene.isHealthy(0)).toBe(true);
    expectShare(scene.shareOf(0), 0.5);
  });

  test.for(KINDS)("(%s) is only cleared by the response to a later request", (how) => {
    const scene = seen(20, 20);
    const before = scene.attemptAt(0);
    scene.end(0, how, 2);
    before.answered();
    expect(scene.isHealthy(0)).toBe(false);
    expect(scene.shareOf(0)).toBeLessThan(0.01);
    scene.attemptAt(0).answered();
    expect(scene.isHealthy(0)).toBe(true);
    expectShare(scene.shareOf(0), 0.5);
  });

  test("by a single refusal is not penalized until the next one", () => {
    const scene = seen(20, 20);
    scene.attemptAt(0).refused(60_000);
    expect(scene.isHealthy(0)).toBe(false);
    expectShare(scene.shareOf(0), 0.5);
    scene.attemptAt(0).refused(0);
    expect(scene.shareOf(0)).toBeLessThan(0.01);
  });

  test("by a refused probe is penalized", () => {
    const scene = seen(20, 20);
    scene.wait(10_000);
    const probe = scene.acquire({ isRepeatable: true });
    expect(probe).toMatchObject({ origin: 0, isProbe: true });
    probe.refused(0);
    expect(scene.shareOf(0)).toBeLessThan(0.01);
  });

  test("is no timeout while others are answered, which counts as a slow response", () => {
    const scene = seen(20, 20);
    const slow = scene.attemptAt(0);
    scene.wait(100);
    scene.end(0, "server error");
    slow.unreachable("timed_out");
    expect(scene.isHealthy(0)).toBe(true);
    // The latency is 40 ms now: 0.625³ of its share.
    expectShare(scene.shareOf(0), 0.122);
  });

  test("is not cleared by neutral outcomes", () => {
    const scene = seen(20, 20);
    scene.end(0, "broken");
    for (const how of ["server error", "ignored", "hedge lost"] as const) scene.end(0, how);
    expect(scene.isHealthy(0)).toBe(false);
    expect(scene.shareOf(0)).toBeLessThan(0.01);
  });

  test("fades to 1/e after ten seconds", () => {
    const scene = seen(20, 20);
    scene.end(0, "broken");
    scene.wait(10_000);
    scene.end(1, "broken");
    // 5,000 ms have become 1,839, a ratio of 0.46 with the tolerance: 0.46³ of the other one's half.
    expectShare(scene.shareOf(1), 0.5 * 0.46 ** 3);
  });

  test.for([
    { pauseMs: 0, otherPauseMs: 5_000, share: 0.5, why: "at least five seconds" },
    { pauseMs: 2_000, otherPauseMs: 5_000, share: 0.5, why: "at least five seconds" },
    { pauseMs: 20_000, otherPauseMs: 60_000, share: 0.96, why: "its length" },
    { pauseMs: 60_000, otherPauseMs: 3_600_000, share: 0.5, why: "at most a minute" },
  ])("with a requested pause of $pauseMs ms counts as $why", ({ pauseMs, otherPauseMs, share }) => {
    const scene = seen(20, 20);
    refuse(scene, 0, pauseMs);
    refuse(scene, 1, otherPauseMs);
    expectShare(scene.shareOf(0), share);
  });

  test("does not shorten the longer pause of an earlier one", () => {
    const scene = seen(20, 20);
    refuse(scene, 0, 60_000);
    refuse(scene, 0, 0);
    refuse(scene, 1, 60_000);
    expectShare(scene.shareOf(0), 0.5);
  });
});
