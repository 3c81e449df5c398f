/** A pool before origins that answer when they are told to, on a clock that is set by hand. */

import {
  type AcquireOptions,
  type BalancerRejection,
  createBalancer,
} from "../../../../src/resilience/balancer/balancer.ts";
import type { EndpointPermit } from "../../../../src/resilience/balancer/endpoint.ts";
import type { BalancerOptions } from "../../../../src/resilience/balancer/options.ts";
import type {
  BreakerState,
  TransitionReason,
} from "../../../../src/resilience/circuit-breaker/circuit-breaker.ts";
import type { BreakerOptions } from "../../../../src/resilience/circuit-breaker/options.ts";
import { seededRandom } from "../../concurrency-limit/support/random.ts";

export const START_MS = 1_800_000_000_000;
/** Jitter takes the whole of what it may. */
export const LATEST = 1 - 2 ** -20;

export interface SceneOptions extends BalancerOptions {
  readonly breaker?: BreakerOptions;
  readonly random?: () => number;
}

export interface Told {
  readonly origin: number;
  readonly to: BreakerState;
  readonly reason: TransitionReason;
}

export const granted = (answer: EndpointPermit | BalancerRejection): EndpointPermit => {
  if (!answer.granted) throw new Error(`rejected until ${answer.retryAtMs}`);
  return answer;
};

export const rejected = (answer: EndpointPermit | BalancerRejection): BalancerRejection => {
  if (answer.granted) throw new Error(`granted at ${answer.origin}`);
  return answer;
};

/** How an attempt may end. */
export const ENDS = {
  answered: (attempt) => attempt.answered(),
  erred: (attempt) => attempt.serverError(),
  refused: (attempt) => attempt.refused(0),
  broken: (attempt) => attempt.unreachable("broken"),
  gateway: (attempt) => attempt.unreachable("gateway"),
  "timed out": (attempt) => attempt.unreachable("timed_out"),
  outrun: (attempt) => attempt.hedgeLost(),
  ignored: (attempt) => attempt.ignore(),
} as const satisfies Readonly<Record<string, (attempt: EndpointPermit) => void>>;

export type EndName = keyof typeof ENDS;
export const END_NAMES = Object.keys(ENDS) as readonly EndName[];

export class Scene {
  nowMs = START_MS;
  readonly told: Told[] = [];
  readonly pool: ReturnType<typeof createBalancer>;
  readonly #states: BreakerState[];

  constructor(weights: readonly number[], { random = seededRandom(1), ...options }: SceneOptions = {}) {
    this.#states = weights.map(() => "closed");
    this.pool = createBalancer(weights, options, {
      now: () => this.nowMs,
      random,
      onTransition: (origin, { to, reason }) => {
        this.#states[origin] = to;
        this.told.push({ origin, to, reason });
      },
    });
  }

  /** Of its breaker, as far as anybody was told. */
  state(origin: number): BreakerState | undefined {
    return this.#states[origin];
  }

  isWell(origin: number): boolean {
    return this.pool.hasHealthy(this.#others(origin));
  }

  wait(ms: number): void {
    this.nowMs += ms;
  }

  acquire(asking: AcquireOptions): EndpointPermit {
    return granted(this.pool.acquire(asking));
  }

  /** As a retry that has no other choice: never a look. */
  attemptAt(origin: number): EndpointPermit {
    return this.acquire({ isRepeatable: false, except: this.#others(origin) });
  }

  /** One after another. */
  end(origin: number, how: EndName, times = 1): void {
    for (let turn = 0; turn < times; turn += 1) ENDS[how](this.attemptAt(origin));
  }

  /** It takes so long to answer; a moment later it is not heard of any more. */
  answerAfter(origin: number, latencyMs: number): void {
    const attempt = this.attemptAt(origin);
    this.wait(latencyMs);
    attempt.answered();
    this.wait(1);
  }

  /** Of requests that leave nothing behind the share that it would get now. @param except as of a retry */
  shareOf(origin: number, except: readonly number[] = []): number {
    const all = 4_000;
    let own = 0;
    for (let turn = 0; turn < all; turn += 1) {
      const attempt = this.acquire({ isRepeatable: false, except });
      if (attempt.origin === origin) own += 1;
      attempt.ignore();
    }
    return own / all;
  }

  #others(origin: number): readonly number[] {
    return this.#states.flatMap((_, index) => (index === origin ? [] : [index]));
  }
}
