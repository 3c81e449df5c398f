/** What a pool makes of an origin that fails. */
import { describe, expect, test } from "vitest";
import type { Scene } from "./support/scene.ts";
import { expectShare, seen } from "./support/shares.ts";
import { answering, shareOf, Traffic } from "./support/traffic.ts";

/** Not for the first time, which counts for nothing yet. */
const refuse = (scene: Scene, origin: number, retryAfterMs: number): void => {
  for (let turn = 0; turn < 2; turn += 1) scene.attemptAt(origin).refused(retryAfterMs);
};

describe("a failure", () => {
  const KINDS = ["refused", "broken", "gateway", "timed out"] as const;

  test.for(
    KINDS.flatMap((how) => [2, 3, 4].map((count) => ({ how, count }))),
  )("$how keeps nearly all requests away for two seconds, looks included, of $count", ({ how, count }) => {
    const traffic = new Traffic(Array.from({ length: count }, () => answering(20)));
    traffic.run(5_000);
    traffic.behave(0, { how, afterMs: 1 });
    // Until it is heard of.
    traffic.run(50);
    const sent = traffic.run(2_000);
    expect(shareOf(0, sent)).toBeLessThan(0.03);
    expect(sent.length).toBeGreaterThan(800);
  });

  test.for(["erred", "ignored"] as const)("is not what has %s", (how) => {
    const scene = seen(20, 20);
    scene.end(0, how, 20);
    expect(scene.isWell(0)).toBe(true);
    expectShare(scene.shareOf(0), 0.5);
  });

  test.for(KINDS)("%s is the last that was heard of it until an answer to what was sent after it", (how) => {
    const scene = seen(20, 20);
    const before = scene.attemptAt(0);
    scene.end(0, how, 2);
    before.answered();
    expect(scene.isWell(0)).toBe(false);
    expect(scene.shareOf(0)).toBeLessThan(0.01);
    scene.attemptAt(0).answered();
    expect(scene.isWell(0)).toBe(true);
    expectShare(scene.shareOf(0), 0.5);
  });

  test("is a single refusal, and counts for nothing until it refuses again", () => {
    const scene = seen(20, 20);
    scene.attemptAt(0).refused(60_000);
    expect(scene.isWell(0)).toBe(false);
    expectShare(scene.shareOf(0), 0.5);
    scene.attemptAt(0).refused(0);
    expect(scene.shareOf(0)).toBeLessThan(0.01);
  });

  test("is a single refusal of a look", () => {
    const scene = seen(20, 20);
    scene.wait(10_000);
    const look = scene.acquire({ isRepeatable: true });
    expect(look).toMatchObject({ origin: 0, isProbe: true });
    look.refused(0);
    expect(scene.shareOf(0)).toBeLessThan(0.01);
  });

  test("is no request that timed out while others were answered: it counts for as long as it took", () => {
    const scene = seen(20, 20);
    const slow = scene.attemptAt(0);
    scene.wait(100);
    scene.end(0, "erred");
    slow.unreachable("timed_out");
    expect(scene.isWell(0)).toBe(true);
    // 40 ms now: 0.625³ of its share.
    expectShare(scene.shareOf(0), 0.122);
  });

  test("is not forgotten for what is neither good nor bad", () => {
    const scene = seen(20, 20);
    scene.end(0, "broken");
    for (const how of ["erred", "ignored", "outrun"] as const) scene.end(0, how);
    expect(scene.isWell(0)).toBe(false);
    expect(scene.shareOf(0)).toBeLessThan(0.01);
  });

  test("fades: what it counts for is 1/e after ten seconds", () => {
    const scene = seen(20, 20);
    scene.end(0, "broken");
    scene.wait(10_000);
    scene.end(1, "broken");
    // 5,000 ms have become 1,839, of which with what may be chance 0.46 are left: 0.46³ of the other one's half.
    expectShare(scene.shareOf(1), 0.5 * 0.46 ** 3);
  });

  test.for([
    { askedMs: 0, otherMs: 5_000, share: 0.5, why: "nothing counts for five seconds" },
    { askedMs: 2_000, otherMs: 5_000, share: 0.5, why: "less than five seconds counts for those" },
    { askedMs: 20_000, otherMs: 60_000, share: 0.96, why: "longer counts for more" },
    { askedMs: 60_000, otherMs: 3_600_000, share: 0.5, why: "longer than a minute counts for that" },
  ])("that asks for a pause: $why", ({ askedMs, otherMs, share }) => {
    const scene = seen(20, 20);
    refuse(scene, 0, askedMs);
    refuse(scene, 1, otherMs);
    expectShare(scene.shareOf(0), share);
  });

  test("does not make that of before, that asked for longer, count for less", () => {
    const scene = seen(20, 20);
    refuse(scene, 0, 60_000);
    refuse(scene, 0, 0);
    refuse(scene, 1, 60_000);
    expectShare(scene.shareOf(0), 0.5);
  });
});
