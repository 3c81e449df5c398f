/** Invariants of a balancer under any sequence of calls. */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { BalancerRejection } from "../../../src/resilience/balancer/balancer.ts";
import { type EndpointPermit, PROBE_INTERVAL_MS } from "../../../src/resilience/balancer/endpoint.ts";
import { seededRandom } from "../concurrency-limit/support/random.ts";
import {
  anySteps,
  anyWeights,
  LEASE_MS,
  MAX_TIMEOUT_MS,
  OPTIONS,
  RUNS,
  type Step,
} from "./support/any-steps.ts";
import { END_NAMES, ENDS, Scene } from "./support/scene.ts";

interface OpenAttempt {
  readonly attempt: EndpointPermit;
  /** Changes of state of its origin's breaker before it. */
  readonly generation: number;
}

interface Moment {
  readonly scene: Scene;
  readonly step: Step;
  readonly open: readonly OpenAttempt[];
  readonly answer: EndpointPermit | BalancerRejection | undefined;
  /** Origins whose breakers were closed before the step. */
  readonly closed: readonly number[];
}

const generationOf = (scene: Scene, origin: number): number =>
  scene.transitions.filter((each) => each.origin === origin).length;

/** @param check called after each step */
const play = (
  weights: readonly number[],
  seed: number,
  steps: readonly Step[],
  check: (moment: Moment) => void,
) => {
  const scene = new Scene(weights, { ...OPTIONS, random: seededRandom(seed) });
  let open: readonly OpenAttempt[] = [];
  for (const step of steps) {
    const closed = weights.flatMap((_, origin) => (scene.state(origin) === "closed" ? [origin] : []));
    let answer: EndpointPermit | BalancerRejection | undefined;
    if (step.do === "pass") scene.wait(step.ms);
    else if (step.do === "acquire") {
      answer = scene.balancer.acquire(step);
      if (answer.granted)
        open = [...open, { attempt: answer, generation: generationOf(scene, answer.origin) }];
    } else {
      const ended = open[step.which % Math.max(1, open.length)];
      open = open.filter((each) => each !== ended);
      if (ended !== undefined) ENDS[step.how](ended.attempt);
    }
    check({ scene, step, open, answer, closed });
  }
  return { scene };
};

const assertAlways = (check: (moment: Moment) => void): void =>
  fc.assert(
    fc.property(anyWeights, fc.nat(), anySteps, (weights, seed, steps) => {
      play(weights, seed, steps, check);
    }),
    RUNS,
  );

test("a request is admitted while another closed origin was not yet tried", () => {
  assertAlways(({ step, answer, closed }) => {
    if (step.do !== "acquire") return;
    if (closed.some((origin) => !step.except.includes(origin))) expect(answer?.granted).toBe(true);
  });
});

test("a request is never sent to the same origin again", () => {
  assertAlways(({ step, answer }) => {
    if (step.do === "acquire" && answer?.granted) expect(step.except).not.toContain(answer.origin);
  });
});

test("a closed origin is not probed by retries, or if it is the only one", () => {
  assertAlways(({ scene, step, answer, closed }) => {
    if (step.do !== "acquire" || !answer?.granted || !closed.includes(answer.origin)) return;
    if (step.except.length > 0 || scene.balancer.size === 1) expect(answer.isProbe).toBe(false);
  });
});

test("a rejection has a retry time, unless all origins were tried", () => {
  assertAlways(({ scene, step, answer }) => {
    if (step.do !== "acquire" || answer === undefined || answer.granted) return;
    const isNoneLeft = Array.from({ length: scene.balancer.size }, (_, origin) => origin).every((origin) =>
      step.except.includes(origin),
    );
    if (isNoneLeft) expect(answer.retryAtMs).toBeUndefined();
    else expect(answer.retryAtMs).toBeGreaterThanOrEqual(scene.nowMs);
  });
});

test("at most one probe of a half-open origin is in flight", () => {
  assertAlways(({ scene, open }) => {
    for (let origin = 0; origin < scene.balancer.size; origin += 1) {
      if (scene.state(origin) !== "half_open") continue;
      const generation = generationOf(scene, origin);
      const probes = open.filter((each) => each.attempt.origin === origin && each.generation === generation);
      expect(probes.length).toBeLessThanOrEqual(1);
    }
  });
});

test("an open origin gets no requests", () => {
  assertAlways(({ scene, answer }) => {
    if (answer?.granted) expect(scene.state(answer.origin)).not.toBe("open");
  });
});

test("it is never stuck: once all requests are answered, every origin is healthy soon", () => {
  fc.assert(
    fc.property(anyWeights, fc.nat(), anySteps, (weights, seed, steps) => {
      const { scene } = play(weights, seed, steps, () => undefined);
      // The longest open time, a lease, and the next probe after the clock was set back.
      const untilMs = scene.nowMs + MAX_TIMEOUT_MS + LEASE_MS + 3 * PROBE_INTERVAL_MS;
      while (scene.nowMs < untilMs) {
        scene.wait(25);
        const answer = scene.balancer.acquire({ isRepeatable: true });
        if (answer.granted) answer.answered();
      }
      weights.forEach((_, origin) => {
        expect(scene.isHealthy(origin)).toBe(true);
      });
    }),
    RUNS,
  );
});

/** Compares two balancers; in one of them every attempt is ended again, in all ways. */
test("only the first outcome of an attempt makes a difference", () => {
  const history = (weights: readonly number[], seed: number, steps: readonly Step[], endsAgain: boolean) => {
    let before: readonly OpenAttempt[] = [];
    const entries: string[] = [];
    play(weights, seed, steps, ({ scene, open, answer }) => {
      const ended = before.filter((each) => !open.includes(each));
      before = open;
      if (endsAgain) for (const how of END_NAMES) for (const { attempt } of ended) ENDS[how](attempt);
      const result = answer?.granted ? `${answer.origin} ${answer.isProbe}` : answer?.retryAtMs;
      entries.push(`${result} ${scene.transitions.length}`);
    });
    return entries;
  };
  fc.assert(
    fc.property(anyWeights, fc.nat(), anySteps, (weights, seed, steps) => {
      expect(history(weights, seed, steps, true)).toEqual(history(weights, seed, steps, false));
    }),
    RUNS,
  );
});
