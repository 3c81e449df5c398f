/** How a pool finds out what it does not know of an origin. */
import { describe, expect, test } from "vitest";
import { ENDS, type EndName, LATEST, Scene } from "./support/scene.ts";
import {
  answering,
  type Behaviour,
  EDGE_BREAKER,
  longestGapMs,
  shareOf,
  Traffic,
} from "./support/traffic.ts";

const LOOK_EVERY_MS = 10_000;

interface Course {
  readonly forMs: number;
  /** How the first origin's requests end; those of others are answered. */
  readonly how: EndName;
  readonly isRepeatable?: boolean;
}

/** One request each 20 ms. @returns how long the first origin waited for each of its own, to the last 50 ms */
const waitsMs = (scene: Scene, { forMs, how, isRepeatable = true }: Course): readonly number[] => {
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

/** Not for the first time, which counts for nothing yet. */
const refuse = (scene: Scene): void => scene.end(0, "refused", 2);

/** Two origins, of which the first has failed. */
const failed = (random = () => 0): Scene => {
  const scene = new Scene([1, 1], { random });
  scene.end(1, "answered");
  refuse(scene);
  return scene;
};

describe("an origin that has failed", () => {
  test("is looked at after one, two, four, eight seconds, and then each ten", () => {
    expect(waitsMs(failed(), { forMs: 50_000, how: "refused" })).toEqual([
      1_000, 2_000, 4_000, 8_000, 10_000, 10_000, 10_000,
    ]);
  });

  test("is looked at up to a quarter earlier, by chance", () => {
    const scene = failed(() => LATEST);
    expect(waitsMs(scene, { forMs: 30_000, how: "refused" })).toEqual([
      750, 1_500, 3_000, 6_000, 7_500, 7_500,
    ]);
  });

  test("is well again by a look that is answered, and looked at as at first when it fails again", () => {
    const scene = failed();
    expect(waitsMs(scene, { forMs: 7_500, how: "refused" })).toEqual([1_000, 2_000, 4_000]);
    scene.wait(8_000);
    scene.acquire({ isRepeatable: true }).answered();
    expect(scene.isWell(0)).toBe(true);
    refuse(scene);
    expect(waitsMs(scene, { forMs: 4_000, how: "refused" })).toEqual([1_000, 2_000]);
  });

  test.for([
    "erred",
    "ignored",
    "outrun",
  ] as const)("is looked at as soon again after a look that was %s", (how) => {
    expect(waitsMs(failed(), { forMs: 3_500, how })).toEqual([1_000, 1_000, 1_000]);
  });

  /** Of so many origins the first ones have refused, and the very first one has answered since. */
  const firstIsBack = (count: number, failing: number): Scene => {
    const scene = new Scene(
      Array.from({ length: count }, () => 1),
      { random: () => LATEST },
    );
    for (let origin = 0; origin < failing; origin += 1) scene.end(origin, "refused", 2);
    scene.end(0, "answered");
    return scene;
  };

  test("is looked at at once when another one is well again, where most had failed", () => {
    const scene = firstIsBack(3, 3);
    const looks = [1, 2, 3].map(() => scene.acquire({ isRepeatable: true }));
    expect(looks.map(({ origin, isProbe }) => isProbe && origin)).toEqual([1, 2, false]);
  });

  test("is not looked at any sooner when another one is well again, where most always were", () => {
    const scene = firstIsBack(4, 2);
    expect(scene.acquire({ isRepeatable: true }).isProbe).toBe(false);
  });

  test("is looked at then by requests that may be made again alone", () => {
    const scene = firstIsBack(2, 2);
    expect(scene.acquire({ isRepeatable: false }).isProbe).toBe(false);
  });

  test("is not looked at any sooner than others once it has answered", () => {
    const scene = failed(() => LATEST);
    scene.end(0, "answered");
    scene.wait(5_000);
    expect(scene.acquire({ isRepeatable: true })).toMatchObject({ origin: 1, isProbe: false });
  });

  test("is not looked at later for failures of what was no look", () => {
    const scene = failed();
    for (let turn = 0; turn < 20; turn += 1) {
      scene.wait(40);
      scene.end(0, "refused");
    }
    expect(waitsMs(scene, { forMs: 2_500, how: "refused" })).toEqual([200, 2_000]);
  });
});

describe("a look", () => {
  test("is told from other attempts", () => {
    const scene = failed(() => LATEST);
    expect(scene.acquire({ isRepeatable: true })).toMatchObject({ origin: 1, isProbe: false });
    scene.wait(1_001);
    expect(scene.acquire({ isRepeatable: true })).toMatchObject({ origin: 0, isProbe: true });
  });

  test("is made by one request only", () => {
    const scene = failed();
    scene.wait(1_001);
    const origins = [1, 2, 3].map(() => scene.acquire({ isRepeatable: true }).origin);
    expect(origins).toEqual([0, 1, 1]);
  });

  test("is at the one first that has waited for it longest", () => {
    const scene = new Scene([1, 1, 1], { random: () => 0 });
    for (const origin of [2, 0, 1]) {
      scene.end(origin, "refused");
      scene.wait(10);
    }
    scene.wait(1_500);
    const origins = [1, 2, 3].map(() => scene.acquire({ isRepeatable: true }).origin);
    expect(origins).toEqual([2, 0, 1]);
  });

  test("is never made by a request that was sent before, unless it is to", () => {
    const scene = new Scene([1, 1, 1], { random: () => LATEST });
    scene.end(0, "broken");
    scene.wait(20_000);
    const retry = { isRepeatable: true, except: [1] };
    expect(scene.acquire(retry)).toMatchObject({ origin: 2, isProbe: false });
    expect(scene.acquire({ ...retry, mayProbe: true })).toMatchObject({ origin: 0, isProbe: true });
  });

  test("is not made by a request that is not to", () => {
    const scene = failed(() => LATEST);
    scene.wait(3_600_000);
    const asking = { isRepeatable: true, mayProbe: false };
    expect(scene.acquire(asking)).toMatchObject({ origin: 1, isProbe: false });
  });

  test("is never made where there is one origin", () => {
    const scene = new Scene([1]);
    scene.end(0, "refused");
    for (let turn = 0; turn < 100; turn += 1) {
      scene.wait(1_000);
      const attempt = scene.acquire({ isRepeatable: true });
      expect(attempt.isProbe).toBe(false);
      attempt.refused(0);
    }
  });

  test("is made by a request that may be sent once only where it is overdue by three times ten seconds", () => {
    const scene = failed(() => LATEST);
    // It was due after 750 ms, and then after 1,500 ms.
    expect(waitsMs(scene, { forMs: 70_000, how: "refused", isRepeatable: false })).toEqual([30_750, 31_500]);
  });

  test("finds what is now: its answer takes the place of what was known", () => {
    const scene = new Scene([1, 1]);
    scene.answerAfter(0, 800);
    scene.answerAfter(1, 20);
    expect(scene.shareOf(0)).toBeLessThan(0.01);
    scene.wait(LOOK_EVERY_MS + 1);
    const looks = [0, 1].map(() => scene.acquire({ isRepeatable: true }));
    expect(looks.map(({ isProbe }) => isProbe)).toEqual([true, true]);
    scene.wait(20);
    for (const look of looks) look.answered();
    expect(Math.abs(scene.shareOf(0) - 0.5)).toBeLessThan(0.03);
  });
});

describe("however bad an origin is it gets a request at least each ten seconds", () => {
  /** Looks wait for the next request, at 500/s. */
  const LONGEST_MS = LOOK_EVERY_MS + 50;
  const gapMs = (behaviour: Behaviour, breaker = EDGE_BREAKER): number => {
    const traffic = new Traffic([behaviour, answering(5), answering(5)], { breaker });
    const fromMs = traffic.nowMs;
    return longestGapMs(0, traffic.run(100_000), fromMs, traffic.nowMs);
  };

  test.for<Behaviour>([
    { how: "answered", afterMs: 200 },
    { how: "answered", afterMs: 5_000 },
    { how: "erred", afterMs: 1 },
    { how: "refused", afterMs: 1 },
    { how: "broken", afterMs: 1 },
    { how: "gateway", afterMs: 1 },
    { how: "outrun", afterMs: 20 },
    { how: "ignored", afterMs: 20 },
  ])("$how after $afterMs ms", (behaviour) => {
    expect(gapMs(behaviour)).toBeLessThan(LONGEST_MS);
  });

  test.for<Behaviour>([
    { how: "refused", afterMs: 8_000 },
    { how: "timed out", afterMs: 5_000 },
  ])("even if it takes long to fail: $how after $afterMs ms", (behaviour) => {
    expect(gapMs(behaviour)).toBeLessThan(LONGEST_MS);
  });

  test("even if nothing is said of its breaker", () => {
    expect(gapMs({ how: "broken", afterMs: 1 }, {})).toBeLessThan(LONGEST_MS);
  });
});

describe("as good as the others again, an origin has half its share at least within fifteen seconds", () => {
  /** Of what would be its own. */
  const shareAgain = (behaviour: Behaviour, badMs: number, count: number): number => {
    const traffic = new Traffic([behaviour, ...Array.from({ length: count - 1 }, () => answering(5))]);
    traffic.run(badMs);
    traffic.behave(0, answering(5));
    traffic.run(15_000);
    return shareOf(0, traffic.run(2_000)) * count;
  };

  const SLOW = [40, 200, 2_000].flatMap((slowMs) => [2, 4].map((count) => ({ slowMs, count })));
  test.for(SLOW)("after it took $slowMs ms, one of $count", ({ slowMs, count }) => {
    expect(shareAgain(answering(slowMs), 12_000, count)).toBeGreaterThan(0.5);
  });

  const FAILED = (["refused", "broken", "gateway", "timed out"] as const).flatMap((how) =>
    [2_000, 40_000].map((badMs) => ({ how, badMs })),
  );
  test.for(FAILED)("after all was $how for $badMs ms", ({ how, badMs }) => {
    const behaviour = { how, afterMs: how === "timed out" ? 2_000 : 1 };
    expect(shareAgain(behaviour, badMs, 3)).toBeGreaterThan(0.5);
  });
});

describe("an origin that is back", () => {
  /** Ends the look that is due at the first one of two, after 20 ms as the other one's requests. */
  const look = (scene: Scene, how: EndName): void => {
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
  const expectShare = (scene: Scene, expected: number): void =>
    expect(Math.abs(scene.shareOf(0) - expected)).toBeLessThan(0.03);

  test("begins with a tenth of its share and has all of it after six seconds, where it failed a look", () => {
    const scene = failedOnce();
    scene.wait(1_001);
    look(scene, "refused");
    scene.wait(2_001);
    look(scene, "answered");
    expectShare(scene, 0.1 / 1.1);
    scene.wait(3_000);
    expectShare(scene, 0.55 / 1.55);
    scene.wait(3_000);
    expectShare(scene, 0.5);
  });

  test("has its whole share at once where the first look was answered: one failure is no absence", () => {
    const scene = failedOnce();
    scene.wait(1_001);
    look(scene, "answered");
    expectShare(scene, 0.5);
  });

  test("has its whole share where the clock is set back while it warms up", () => {
    const scene = failedOnce();
    scene.wait(1_001);
    look(scene, "refused");
    scene.wait(2_001);
    look(scene, "answered");
    scene.wait(-3_600_000);
    expectShare(scene, 0.5);
  });
});
