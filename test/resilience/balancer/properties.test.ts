/** What holds of a pool whatever happens to it, in whichever order. */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { BalancerRejection } from "../../../src/resilience/balancer/balancer.ts";
import type { EndpointPermit } from "../../../src/resilience/balancer/endpoint.ts";
import { seededRandom } from "../concurrency-limit/support/random.ts";
import { anySteps, anyWeights, LEASE_MS, LONGEST_MS, OPTIONS, RUNS, type Step } from "./support/any-steps.ts";
import { END_NAMES, ENDS, Scene } from "./support/scene.ts";

interface Held {
  readonly attempt: EndpointPermit;
  /** How often the state of its origin's breaker had changed. */
  readonly generation: number;
}

interface Moment {
  readonly scene: Scene;
  readonly step: Step;
  readonly held: readonly Held[];
  /** What who asked was told. */
  readonly answer: EndpointPermit | BalancerRejection | undefined;
  /** The origins that were closed when it was asked. */
  readonly closed: readonly number[];
}

const generationOf = (scene: Scene, origin: number): number =>
  scene.told.filter((each) => each.origin === origin).length;

/** Plays the steps, and shows each moment. */
const play = (
  weights: readonly number[],
  seed: number,
  steps: readonly Step[],
  look: (moment: Moment) => void,
) => {
  const scene = new Scene(weights, { ...OPTIONS, random: seededRandom(seed) });
  let held: readonly Held[] = [];
  for (const step of steps) {
    const closed = weights.flatMap((_, origin) => (scene.state(origin) === "closed" ? [origin] : []));
    let answer: EndpointPermit | BalancerRejection | undefined;
    if (step.do === "pass") scene.wait(step.ms);
    else if (step.do === "acquire") {
      answer = scene.pool.acquire(step);
      if (answer.granted)
        held = [...held, { attempt: answer, generation: generationOf(scene, answer.origin) }];
    } else {
      const ended = held[step.which % Math.max(1, held.length)];
      held = held.filter((each) => each !== ended);
      if (ended !== undefined) ENDS[step.how](ended.attempt);
    }
    look({ scene, step, held, answer, closed });
  }
  return { scene, held };
};

const assertAlways = (look: (moment: Moment) => void): void =>
  fc.assert(
    fc.property(anyWeights, fc.nat(), anySteps, (weights, seed, steps) => {
      play(weights, seed, steps, look);
    }),
    RUNS,
  );

test("whoever asks while an origin is well that was not tried gets one", () => {
  assertAlways(({ step, answer, closed }) => {
    if (step.do !== "acquire") return;
    if (closed.some((origin) => !step.except.includes(origin))) expect(answer?.granted).toBe(true);
  });
});

test("nobody gets an origin that was tried", () => {
  assertAlways(({ step, answer }) => {
    if (step.do === "acquire" && answer?.granted) expect(step.except).not.toContain(answer.origin);
  });
});

test("nobody looks who asks a second time, as long as an origin is well, or where there is one origin", () => {
  assertAlways(({ scene, step, answer, closed }) => {
    if (step.do !== "acquire" || !answer?.granted || !closed.includes(answer.origin)) return;
    if (step.except.length > 0 || scene.pool.size === 1) expect(answer.isProbe).toBe(false);
  });
});

test("whoever is rejected is told when to come back, unless all were tried", () => {
  assertAlways(({ scene, step, answer }) => {
    if (step.do !== "acquire" || answer === undefined || answer.granted) return;
    const isNoneLeft = Array.from({ length: scene.pool.size }, (_, origin) => origin).every((origin) =>
      step.except.includes(origin),
    );
    if (isNoneLeft) expect(answer.retryAtMs).toBeUndefined();
    else expect(answer.retryAtMs).toBeGreaterThanOrEqual(scene.nowMs);
  });
});

test("of no origin that is half-open more than one probe is on its way", () => {
  assertAlways(({ scene, held }) => {
    for (let origin = 0; origin < scene.pool.size; origin += 1) {
      if (scene.state(origin) !== "half_open") continue;
      const generation = generationOf(scene, origin);
      const probes = held.filter((each) => each.attempt.origin === origin && each.generation === generation);
      expect(probes.length).toBeLessThanOrEqual(1);
    }
  });
});

test("an origin that is open gets nothing", () => {
  assertAlways(({ scene, answer }) => {
    if (answer?.granted) expect(scene.state(answer.origin)).not.toBe("open");
  });
});

test("it is never stuck: once all is answered, every origin is well soon", () => {
  fc.assert(
    fc.property(anyWeights, fc.nat(), anySteps, (weights, seed, steps) => {
      const { scene } = play(weights, seed, steps, () => undefined);
      // The longest that it is open, a lease, and the next look, after a clock that was set back.
      const untilMs = scene.nowMs + LONGEST_MS + LEASE_MS + 3 * 1_000;
      while (scene.nowMs < untilMs) {
        scene.wait(25);
        const answer = scene.pool.acquire({ isRepeatable: true });
        if (answer.granted) answer.answered();
      }
      weights.forEach((_, origin) => {
        expect(scene.isWell(origin)).toBe(true);
      });
    }),
    RUNS,
  );
});

/** Two pools live through the same, but of one every end is told again, in all ways: their lives have to be the same. */
test("ends after the first of an attempt make no difference", () => {
  const live = (weights: readonly number[], seed: number, steps: readonly Step[], isToldAgain: boolean) => {
    let before: readonly Held[] = [];
    const life: string[] = [];
    play(weights, seed, steps, ({ scene, held, answer }) => {
      const ended = before.filter((each) => !held.includes(each));
      before = held;
      if (isToldAgain) for (const how of END_NAMES) for (const { attempt } of ended) ENDS[how](attempt);
      const whom = answer?.granted ? `${answer.origin} ${answer.isProbe}` : answer?.retryAtMs;
      life.push(`${whom} ${scene.told.length}`);
    });
    return life;
  };
  fc.assert(
    fc.property(anyWeights, fc.nat(), anySteps, (weights, seed, steps) => {
      expect(live(weights, seed, steps, true)).toEqual(live(weights, seed, steps, false));
    }),
    RUNS,
  );
});
