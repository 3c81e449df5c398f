/** Probes of origins. */
import { describe, expect, test } from "vitest";
import { ENDS, type EndName, LATEST, Scene } from "./support/scene.ts";
import { expectShare } from "./support/shares.ts";
import { answering, type Behavior, EDGE_BREAKER, longestGapMs, shareOf, Traffic } from "./support/traffic.ts";

const PROBE_INTERVAL_MS = 10_000;

interface Scenario {
  readonly forMs: number;
  /** Outcome of the first origin's requests; those of others are answered. */
  readonly how: EndName;
  readonly isRepeatable?: boolean;
}

/**
 * Sends a request every 20 ms.
 *
 * @returns the times between those to the first origin, rounded down to 50 ms
 */
const waitsMs = (scene: Scene, { forMs, how, isRepeatable = true }: Scenario): readonly number[] => {
  const untilMs = scene.nowMs + forMs;
  const waits: number[] = [];
  let lastMs = scene.nowMs;
  while (scene.nowMs < untilMs) {
    scene.wait(20);
    const attempt = scene.acquire({ isRepeatable });
    ENDS[attempt.origin === 0 ? how : "answered"](attempt);
    if (attempt.origin !== 0) continue;
    waits.push(Math.floor((scene.nowMs - lastMs) / 50) * 50);
    lastMs = scene.nowMs;
  }
  return waits;
};

/** Twice, because a single refusal is not penalized. */
const refuse = (scene: Scene): void => scene.end(0, "refused", 2);

/** Two origins; the first one has failed. */
const failed = (random = () => 0): Scene => {
  const scene = new Scene([1, 1], { random });
  scene.end(1, "answered");
  refuse(scene);
  return scene;
};

describe("a failed origin", () => {
  test("is probed after one, two, four, eight seconds, and then every ten", () => {
    expect(waitsMs(failed(), { forMs: 50_000, how: "refused" })).toEqual([
      1_000, 2_000, 4_000, 8_000, 10_000, 10_000, 10_000,
    ]);
  });

  test("is probed up to a quarter earlier, at random", () => {
    const scene = failed(() => LATEST);
    expect(waitsMs(scene, { forMs: 30_000, how: "refused" })).toEqual([
      750, 1_500, 3_000, 6_000, 7_500, 7_500,
    ]);
  });

  test("is healthy after an answered probe, and the backoff starts over when it fails again", () => {
    const scene = failed();
    expect(waitsMs(scene, { forMs: 7_500, how: "refused" })).toEqual([1_000, 2_000, 4_000]);
    scene.wait(8_000);
    scene.acquire({ isRepeatable: true }).answered();
    expect(scene.isHealthy(0)).toBe(true);
    refuse(scene);
    expect(waitsMs(scene, { forMs: 4_000, how: "refused" })).toEqual([1_000, 2_000]);
  });

  test.for([
    "server error",
    "ignored",
    "hedge lost",
  ] as const)("is probed again as soon after a neutral probe: %s", (how) => {
    expect(waitsMs(failed(), { forMs: 3_500, how })).toEqual([1_000, 1_000, 1_000]);
  });

  /** The first origins have refused requests, and the very first one has answered since. */
  const firstIsBack = (count: number, failing: number): Scene => {
    const scene = new Scene(
      Array.from({ length: count }, () => 1),
      { random: () => LATEST },
    );
    for (let origin = 0; origin < failing; origin += 1) scene.end(origin, "refused", 2);
    scene.end(0, "answered");
    return scene;
  };

  test("is probed at once when another one has recovered, if most had failed", () => {
    const scene = firstIsBack(3, 3);
    const probes = [1, 2, 3].map(() => scene.acquire({ isRepeatable: true }));
    expect(probes.map(({ origin, isProbe }) => isProbe && origin)).toEqual([1, 2, false]);
  });

  test("is not probed earlier when another one has recovered, if most were healthy", () => {
    const scene = firstIsBack(4, 2);
    expect(scene.acquire({ isRepeatable: true }).isProbe).toBe(false);
  });

  test("is then probed only by repeatable requests", () => {
    const scene = firstIsBack(2, 2);
    expect(scene.acquire({ isRepeatable: false }).isProbe).toBe(false);
  });

  test("is probed like others once it has answered", () => {
    const scene = failed(() => LATEST);
    scene.end(0, "answered");
    scene.wait(5_000);
    expect(scene.acquire({ isRepeatable: true })).toMatchObject({ origin: 1, isProbe: false });
  });

  test("is not probed later because other requests fail", () => {
    const scene = failed();
    for (let turn = 0; turn < 20; turn += 1) {
      scene.wait(40);
      scene.end(0, "refused");
    }
    expect(waitsMs(scene, { forMs: 2_500, how: "refused" })).toEqual([200, 2_000]);
  });
});

describe("a probe", () => {
  test("is one request only", () => {
    const scene = failed();
    scene.wait(1_001);
    const origins = [1, 2, 3].map(() => scene.acquire({ isRepeatable: true }).origin);
    expect(origins).toEqual([0, 1, 1]);
  });

  test.for<EndName>([
    "hedge lost",
    "ignored",
    "server error",
  ])("is due ten seconds after the last latency was measured, whatever came since: %s", (how) => {
    const scene = new Scene([1, 1], { random: () => 0 });
    for (const origin of [0, 1]) scene.answerAfter(origin, 20);
    for (let turn = 0; turn < 9; turn += 1) {
      scene.wait(1_000);
      scene.end(0, how);
      scene.end(1, "answered");
    }
    expect(scene.acquire({ isRepeatable: true }).isProbe).toBe(false);
    scene.wait(1_000);
    expect(scene.acquire({ isRepeatable: true })).toMatchObject({ origin: 0, isProbe: true });
  });

  test("goes to the origin that is most overdue", () => {
    const scene = new Scene([1, 1, 1], { random: () => 0 });
    for (const origin of [2, 0, 1]) {
      scene.end(origin, "refused");
      scene.wait(10);
    }
    scene.wait(1_500);
    const origins = [1, 2, 3].map(() => scene.acquire({ isRepeatable: true }).origin);
    expect(origins).toEqual([2, 0, 1]);
  });

  test("is not a retry, unless the caller allows it", () => {
    const scene = new Scene([1, 1, 1], { random: () => LATEST });
    scene.end(0, "broken");
    scene.wait(20_000);
    const retry = { isRepeatable: true, except: [1] };
    expect(scene.acquire(retry)).toMatchObject({ origin: 2, isProbe: false });
    expect(scene.acquire({ ...retry, mayProbe: true })).toMatchObject({ origin: 0, isProbe: true });
  });

  test("is not sent if the caller forbids it", () => {
    const scene = failed(() => LATEST);
    scene.wait(3_600_000);
    const options = { isRepeatable: true, mayProbe: false };
    expect(scene.acquire(options)).toMatchObject({ origin: 1, isProbe: false });
  });

  test("is not sent to a single origin", () => {
    const scene = new Scene([1]);
    scene.end(0, "refused");
    for (let turn = 0; turn < 100; turn += 1) {
      scene.wait(1_000);
      const attempt = scene.acquire({ isRepeatable: true });
      expect(attempt.isProbe).toBe(false);
      attempt.refused(0);
    }
  });

  test("is an unrepeatable request only after three more intervals", () => {
    const scene = failed(() => LATEST);
    // Due after 750 ms, and then after 1,500 ms.
    expect(waitsMs(scene, { forMs: 70_000, how: "refused", isRepeatable: false })).toEqual([30_750, 31_500]);
  });

  test("replaces earlier latencies", () => {
    const scene = new Scene([1, 1]);
    scene.answerAfter(0, 800);
    scene.answerAfter(1, 20);
    expect(scene.shareOf(0)).toBeLessThan(0.01);
    scene.wait(PROBE_INTERVAL_MS + 1);
    const probes = [0, 1].map(() => scene.acquire({ isRepeatable: true }));
    expect(probes.map(({ isProbe }) => isProbe)).toEqual([true, true]);
    scene.wait(20);
    for (const probe of probes) probe.answered();
    expectShare(scene.shareOf(0), 0.5);
  });
});

describe("even a bad origin gets a request every ten seconds", () => {
  /** Probes wait for the next request, at 500/s. */
  const MAX_GAP_MS = PROBE_INTERVAL_MS + 50;
  const gapMs = (behavior: Behavior, breaker = EDGE_BREAKER): number => {
    const traffic = new Traffic([behavior, answering(5), answering(5)], { breaker });
    const fromMs = traffic.nowMs;
    return longestGapMs(0, traffic.run(100_000), fromMs, traffic.nowMs);
  };

  test.for<Behavior>([
    { how: "answered", afterMs: 200 },
    { how: "answered", afterMs: 5_000 },
    { how: "server error", afterMs: 1 },
    { how: "refused", afterMs: 1 },
    { how: "broken", afterMs: 1 },
    { how: "gateway", afterMs: 1 },
    { how: "hedge lost", afterMs: 20 },
    { how: "ignored", afterMs: 20 },
    // Slow to fail.
    { how: "refused", afterMs: 8_000 },
    { how: "timed out", afterMs: 5_000 },
  ])("$how after $afterMs ms", (behavior) => {
    expect(gapMs(behavior)).toBeLessThan(MAX_GAP_MS);
  });

  test("with the default breaker", () => {
    expect(gapMs({ how: "broken", afterMs: 1 }, {})).toBeLessThan(MAX_GAP_MS);
  });
});

describe("a recovered origin has at least half of its share within fifteen seconds", () => {
  /** Relative to an equal share. */
  const shareAgain = (behavior: Behavior, badMs: number, count: number): number => {
    const traffic = new Traffic([behavior, ...Array.from({ length: count - 1 }, () => answering(5))]);
    traffic.run(badMs);
    traffic.behave(0, answering(5));
    traffic.run(15_000);
    return shareOf(0, traffic.run(2_000)) * count;
  };

  const SLOW = [40, 200, 2_000].flatMap((slowMs) => [2, 4].map((count) => ({ slowMs, count })));
  test.for(SLOW)("after latencies of $slowMs ms, one of $count", ({ slowMs, count }) => {
    expect(shareAgain(answering(slowMs), 12_000, count)).toBeGreaterThan(0.5);
  });

  const FAILED = (["refused", "broken", "gateway", "timed out"] as const).flatMap((how) =>
    [2_000, 40_000].map((badMs) => ({ how, badMs })),
  );
  test.for(FAILED)("after $badMs ms of failures: $how", ({ how, badMs }) => {
    const behavior = { how, afterMs: how === "timed out" ? 2_000 : 1 };
    expect(shareAgain(behavior, badMs, 3)).toBeGreaterThan(0.5);
  });
});

describe("a recovered origin", () => {
  /** Ends the due probe of the first origin after 20 ms. */
  const probe = (scene: Scene, how: EndName): void => {
    const attempt = scene.acquire({ isRepeatable: true });
    expect(attempt).toMatchObject({ origin: 0, isProbe: true });
    scene.wait(20);
    ENDS[how](attempt);
  };
  const failedOnce = (): Scene => {
    const scene = new Scene([1, 1]);
    for (const origin of [0, 1]) scene.answerAfter(origin, 20);
    refuse(scene);
    return scene;
  };

  test("starts with a tenth of its share and has all of it after six seconds, if a probe had failed", () => {
    const scene = failedOnce();
    scene.wait(1_001);
    probe(scene, "refused");
    scene.wait(2_001);
    probe(scene, "answered");
    expectShare(scene.shareOf(0), 0.1 / 1.1);
    scene.wait(3_000);
    expectShare(scene.shareOf(0), 0.55 / 1.55);
    scene.wait(3_000);
    expectShare(scene.shareOf(0), 0.5);
  });

  test("has its whole share at once if the first probe is answered", () => {
    const scene = failedOnce();
    scene.wait(1_001);
    probe(scene, "answered");
    expectShare(scene.shareOf(0), 0.5);
  });
});
