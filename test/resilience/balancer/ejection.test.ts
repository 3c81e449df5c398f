/** When unreachable origins are ejected and probed. */
import { describe, expect, test } from "vitest";
import { ENDS, type EndName, LATEST, rejected, Scene, START_MS } from "./support/scene.ts";

const latest = (): number => LATEST;
const REASONS = ["broken", "gateway", "timed out"] as const;

/** Ejects the first origins, one per second. */
const ejected = (count: number, ejections: number, timeoutMs = 1_000): Scene => {
  const scene = new Scene(
    Array.from({ length: count }, () => 1),
    { random: latest, breaker: { timeoutMs, maxTimeoutMs: 60_000 } },
  );
  for (let origin = 0; origin < ejections; origin += 1) {
    if (origin > 0) scene.wait(1_000);
    scene.end(origin, "timed out", 5);
  }
  return scene;
};

/** The origins of this number of concurrent requests, none of which ends. */
const origins = (scene: Scene, count: number, isRepeatable = true): readonly number[] =>
  Array.from({ length: count }, () => scene.acquire({ isRepeatable }).origin);

describe("an origin is ejected", () => {
  test.for(REASONS)("by five consecutive failures: %s", (how) => {
    const scene = new Scene([1, 1]);
    scene.end(0, how, 4);
    expect(scene.state(0)).toBe("closed");
    scene.end(0, how);
    expect(scene.transitions).toEqual([{ origin: 0, to: "open", reason: "consecutive_failures" }]);
  });

  test.for<{ readonly how: EndName; readonly ejects: boolean }>([
    { how: "answered", ejects: false },
    { how: "server error", ejects: false },
    { how: "refused", ejects: false },
    { how: "hedge lost", ejects: true },
    { how: "ignored", ejects: true },
  ])("by five failures around another outcome ($how): $ejects", ({ how, ejects }) => {
    const scene = new Scene([1, 1]);
    scene.end(0, "timed out", 4);
    scene.end(0, how);
    scene.end(0, "timed out");
    expect(scene.state(0)).toBe(ejects ? "open" : "closed");
  });

  test("not by refusals, because it is reachable", () => {
    const scene = new Scene([1, 1]);
    scene.end(0, "refused", 200);
    expect(scene.transitions).toEqual([]);
  });

  test.for([
    { others: "server error", atMs: 0, ejects: false },
    { others: "refused", atMs: 0, ejects: false },
    { others: "ignored", atMs: 0, ejects: true },
    { others: "answered", atMs: -1, ejects: true },
    { others: "answered", atMs: 3_600_000, ejects: true },
  ] as const)("by timeouts if other attempts end like this: $others, at $atMs ms: $ejects", (each) => {
    const scene = new Scene([1, 1]);
    scene.wait(each.atMs);
    scene.end(0, each.others);
    scene.wait(-each.atMs);
    const slow = Array.from({ length: 5 }, () => scene.attemptAt(0));
    if (each.atMs === 0) scene.end(0, each.others);
    scene.wait(10_000);
    for (const attempt of slow) attempt.unreachable("timed_out");
    expect(scene.state(0)).toBe(each.ejects ? "open" : "closed");
  });

  test("not by connections that break together, which count as one failure", () => {
    const scene = new Scene([1, 1]);
    const together = Array.from({ length: 50 }, () => scene.attemptAt(0));
    for (const attempt of together) attempt.unreachable("broken");
    scene.end(0, "broken", 3);
    expect(scene.state(0)).toBe("closed");
    scene.end(0, "broken");
    expect(scene.state(0)).toBe("open");
  });

  test.for(["gateway", "timed out"] as const)("by five simultaneous failures: %s", (how) => {
    const scene = new Scene([1, 1]);
    const together = Array.from({ length: 5 }, () => scene.attemptAt(0));
    for (const attempt of together) ENDS[how](attempt);
    expect(scene.state(0)).toBe("open");
  });
});

describe("an ejected origin", () => {
  test.for([true, false])("gets no requests until its open time is over: repeatable %s", (isRepeatable) => {
    const scene = ejected(2, 1);
    scene.wait(999);
    expect(origins(scene, 3, isRepeatable)).toEqual([1, 1, 1]);
  });

  test("is then probed, by one request at a time", () => {
    const scene = ejected(2, 1);
    scene.wait(1_000);
    const probe = scene.acquire({ isRepeatable: true });
    expect(probe).toMatchObject({ origin: 0, isProbe: true });
    expect(origins(scene, 3)).toEqual([1, 1, 1]);
    probe.answered();
    expect(origins(scene, 3)).toEqual([0, 1, 1]);
  });

  test("returns after three answered probes", () => {
    const scene = ejected(2, 1);
    scene.wait(1_000);
    for (let turn = 0; turn < 3; turn += 1) {
      expect(scene.isHealthy(0)).toBe(false);
      scene.acquire({ isRepeatable: true }).answered();
    }
    expect(scene.transitions.map(({ reason }) => reason)).toEqual([
      "consecutive_failures",
      "timeout",
      "recovered",
    ]);
    expect(scene.isHealthy(0)).toBe(true);
  });

  test.for<{ readonly how: EndName; readonly to: string; readonly next: number }>([
    { how: "answered", to: "half_open", next: 0 },
    { how: "server error", to: "half_open", next: 0 },
    { how: "ignored", to: "half_open", next: 0 },
    // Reachable, but overloaded.
    { how: "refused", to: "half_open", next: 1 },
    { how: "broken", to: "open", next: 1 },
    { how: "gateway", to: "open", next: 1 },
    { how: "timed out", to: "open", next: 1 },
    { how: "hedge lost", to: "open", next: 1 },
  ])("is $to after a probe ($how), and the next request is sent to $next", ({ how, to, next }) => {
    const scene = ejected(2, 1);
    scene.wait(1_000);
    ENDS[how](scene.acquire({ isRepeatable: true }));
    expect(scene.state(0)).toBe(to);
    expect(origins(scene, 1)).toEqual([next]);
  });

  test("stays ejected if a connection of a probe breaks together with older ones", () => {
    const scene = new Scene([1, 1], { random: latest, breaker: { timeoutMs: 1_000 } });
    const older = scene.attemptAt(0);
    scene.end(0, "timed out", 5);
    scene.wait(1_000);
    const probe = scene.acquire({ isRepeatable: true });
    older.unreachable("broken");
    probe.unreachable("broken");
    expect(scene.transitions.at(-1)).toEqual({ origin: 0, to: "open", reason: "probe_failed" });
  });

  test("is probed after one, two, four, eight seconds, even if its breaker allows more", () => {
    const breaker = { timeoutMs: 10, maxTimeoutMs: 10 };
    const scene = new Scene([1, 1], { random: () => 0, breaker });
    scene.end(0, "timed out", 5);
    const startMs = scene.nowMs;
    const probedMs: number[] = [];
    while (scene.nowMs < startMs + 17_000) {
      scene.wait(50);
      const attempt = scene.acquire({ isRepeatable: true });
      if (attempt.origin === 1) continue;
      probedMs.push(scene.nowMs - startMs);
      attempt.unreachable("timed_out");
    }
    // Each with the next request.
    expect(probedMs).toEqual([1_050, 3_100, 7_150, 15_200]);
  });

  test("may use the whole lease of its probe", () => {
    const scene = ejected(2, 1);
    scene.wait(1_000);
    const probe = scene.acquire({ isRepeatable: true, leaseMs: 20_000 });
    scene.wait(19_999);
    expect(origins(scene, 1)).toEqual([1]);
    probe.answered();
    expect(scene.transitions.map(({ reason }) => reason)).toEqual(["consecutive_failures", "timeout"]);
  });

  test("is probed again after the lease of a lost probe", () => {
    const scene = ejected(2, 1);
    scene.wait(1_000);
    origins(scene, 1);
    scene.wait(5_000);
    expect(origins(scene, 1)).toEqual([1]);
    expect(scene.transitions.at(-1)).toEqual({ origin: 0, to: "open", reason: "probe_lost" });
    scene.wait(2_000);
    expect(origins(scene, 1)).toEqual([0]);
  });

  test("is probed by an unrepeatable request only after three more intervals", () => {
    const scene = ejected(2, 1);
    scene.wait(30_000);
    expect(origins(scene, 1, false)).toEqual([1]);
    scene.wait(1_000);
    expect(origins(scene, 1, false)).toEqual([0]);
  });

  test("does not delay the probe of another one", () => {
    const scene = ejected(3, 1, 60_000);
    scene.wait(11_000);
    expect(scene.acquire({ isRepeatable: true })).toMatchObject({ origin: 1, isProbe: true });
  });

  test("is not probed by a retry while another origin is available", () => {
    const scene = ejected(3, 1);
    scene.wait(60_000);
    expect(scene.acquire({ isRepeatable: true, except: [1] })).toMatchObject({ origin: 2, isProbe: false });
  });
});

describe("while more than half are ejected", () => {
  test("the one that failed first is probed within 100 ms, and then the next", () => {
    const scene = ejected(3, 2, 60_000);
    expect(origins(scene, 2)).toEqual([0, 2]);
    scene.wait(99);
    expect(origins(scene, 1)).toEqual([2]);
    scene.wait(1);
    expect(origins(scene, 2)).toEqual([1, 2]);
  });

  test("one with a failed probe is the last to be probed again", () => {
    const scene = ejected(4, 3, 60_000);
    const probed = Array.from({ length: 6 }, () => {
      scene.wait(100);
      const probe = scene.acquire({ isRepeatable: true });
      probe.unreachable("timed_out");
      return probe.origin;
    });
    expect(probed).toEqual([0, 1, 2, 0, 1, 2]);
  });

  test.for([
    { count: 2, ejections: 1 },
    { count: 3, ejections: 1 },
    { count: 4, ejections: 2 },
  ])("open times are not cut short at half: $ejections of $count", ({ count, ejections }) => {
    const scene = ejected(count, ejections, 60_000);
    for (let turn = 0; turn < 50; turn += 1) {
      scene.wait(1_000);
      expect(scene.acquire({ isRepeatable: true }).origin).toBeGreaterThanOrEqual(ejections);
    }
  });

  test("a clock that is set back does not stop probes", () => {
    for (const backMs of [10_000, 3_600_000]) {
      const scene = ejected(3, 2, 30_000);
      expect(origins(scene, 1)).toEqual([0]);
      scene.wait(-backMs);
      expect(origins(scene, 1)).toEqual([1]);
    }
  });
});

describe("while all are ejected", () => {
  test.for([
    true,
    false,
  ])("the one that failed first is probed by any request: repeatable %s", (isRepeatable) => {
    const scene = ejected(3, 3, 60_000);
    expect(origins(scene, 1, isRepeatable)).toEqual([0]);
    scene.wait(100);
    expect(origins(scene, 1, isRepeatable)).toEqual([1]);
  });

  test("every admitted request is a probe", () => {
    const scene = ejected(3, 3, 60_000);
    expect(scene.acquire({ isRepeatable: false })).toMatchObject({ origin: 0, isProbe: true });
    scene.wait(100);
    expect(scene.acquire({ isRepeatable: false, except: [2] })).toMatchObject({ origin: 1, isProbe: true });
  });

  test("all others are probed at once when one returns", () => {
    const scene = ejected(4, 4, 60_000);
    for (let turn = 0; turn < 3; turn += 1) {
      const probe = scene.acquire({ isRepeatable: true });
      expect(probe.origin).toBe(0);
      probe.answered();
    }
    expect(scene.state(0)).toBe("closed");
    expect(origins(scene, 4)).toEqual([1, 2, 3, 0]);
  });

  test("rejections carry the time of the next probe", () => {
    const scene = ejected(2, 2);
    // The first one's probe may take five seconds, and the second one is open for one.
    expect(origins(scene, 1)).toEqual([0]);
    const { retryAtMs } = rejected(scene.balancer.acquire({ isRepeatable: true }));
    expect(retryAtMs).toBeCloseTo(scene.nowMs + 1_000, 1);
  });

  test("a retry is not sent to an origin already tried, and its rejection only considers the others", () => {
    const scene = ejected(2, 2);
    const secondAtMs = rejected(scene.balancer.acquire({ isRepeatable: false, except: [0] })).retryAtMs;
    expect(secondAtMs).toBeCloseTo(scene.nowMs + 1_000, 1);
    expect(origins(scene, 1)).toEqual([0]);
    const firstAtMs = rejected(scene.balancer.acquire({ isRepeatable: false, except: [1] })).retryAtMs;
    expect(firstAtMs).toBe(scene.nowMs + 5_000);
  });
});

test("while most are healthy, the return of one does not speed up the probes of another", () => {
  const scene = ejected(4, 1, 30_000);
  scene.wait(20_000);
  scene.end(1, "timed out", 5);
  scene.wait(10_000);
  for (let turn = 0; turn < 3; turn += 1) scene.acquire({ isRepeatable: true }).answered();
  expect([scene.state(0), scene.state(1)]).toEqual(["closed", "open"]);
  expect(origins(scene, 10)).not.toContain(1);
});

describe("a single origin", () => {
  test("is controlled by its breaker: no requests, then one at a time, then all", () => {
    const scene = ejected(1, 1);
    for (let ms = 0; ms < 999; ms += 111) {
      scene.wait(111);
      const { retryAtMs } = rejected(scene.balancer.acquire({ isRepeatable: true }));
      expect(retryAtMs).toBeCloseTo(START_MS + 1_000, 1);
    }
    scene.wait(1);
    for (let turn = 0; turn < 3; turn += 1) {
      const probe = scene.acquire({ isRepeatable: false });
      rejected(scene.balancer.acquire({ isRepeatable: true }));
      probe.answered();
    }
    expect(origins(scene, 100)).toEqual(Array.from({ length: 100 }, () => 0));
  });

  test("gets all requests even after refusals", () => {
    const scene = new Scene([1]);
    scene.attemptAt(0).refused(60_000);
    expect(origins(scene, 2)).toEqual([0, 0]);
    expect(scene.isHealthy(0)).toBe(false);
  });
});

test("views show who is ejected, until when, and how far an origin that returned is warm", () => {
  const scene = ejected(2, 1);
  scene.answerAfter(1, 20);
  const open = scene.acquire({ isRepeatable: false, except: [0] });
  const [first, second] = scene.balancer.views();
  expect(first).toMatchObject({ isEjected: true, warmth: 1, inFlight: 0 });
  expect(first?.scoreMs).toBeGreaterThan(4_000);
  expect(first?.probeInMs).toBeCloseTo(1_000 - 21, 0);
  expect(second).toMatchObject({ isEjected: false, warmth: 1, inFlight: 1, scoreMs: 20, probeInMs: 0 });
  open.ignore();
  scene.wait(1_000);
  for (let probe = 0; probe < 3; probe += 1) scene.answerAfter(0, 20);
  expect(scene.balancer.views()[0]).toMatchObject({ isEjected: false, probeInMs: 0 });
  expect(scene.balancer.views()[0]?.warmth).toBeLessThan(0.2);
  scene.wait(6_000);
  expect(scene.balancer.views()[0]?.warmth).toBe(1);
});
