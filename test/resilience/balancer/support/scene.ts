/** A balancer with a manual clock; the test ends the attempts. */
import {
  type AcquireOptions,
  Balancer,
  type BalancerRejection,
} from "../../../../src/resilience/balancer/balancer.ts";
import type { EndpointPermit } from "../../../../src/resilience/balancer/endpoint.ts";
import type {
  BreakerOptions,
  BreakerState,
  TransitionReason,
} from "../../../../src/resilience/circuit-breaker/circuit-breaker.ts";
import { seededRandom } from "../../concurrency-limit/support/random.ts";

export const START_MS = 1_800_000_000_000;
/** The longest jitter. */
export const LATEST = 1 - 2 ** -20;

export interface SceneOptions {
  readonly breaker?: BreakerOptions;
  readonly random?: () => number;
}

export interface ObservedTransition {
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

/** The possible ends of an attempt. */
export const ENDS = {
  answered: (attempt) => attempt.answered(),
  "server error": (attempt) => attempt.serverError(),
  refused: (attempt) => attempt.refused(0),
  broken: (attempt) => attempt.unreachable("broken"),
  gateway: (attempt) => attempt.unreachable("gateway"),
  "timed out": (attempt) => attempt.unreachable("timed_out"),
  "hedge lost": (attempt) => attempt.hedgeLost(),
  ignored: (attempt) => attempt.ignore(),
} as const satisfies Readonly<Record<string, (attempt: EndpointPermit) => void>>;

export type EndName = keyof typeof ENDS;
export const END_NAMES = Object.keys(ENDS) as readonly EndName[];

export class Scene {
  nowMs = START_MS;
  readonly transitions: ObservedTransition[] = [];
  readonly balancer: Balancer;
  readonly #states: BreakerState[];

  constructor(weights: readonly number[], { random = seededRandom(1), breaker = {} }: SceneOptions = {}) {
    this.#states = weights.map(() => "closed");
    this.balancer = new Balancer(weights, breaker, {
      now: () => this.nowMs,
      random,
      onTransition: (origin, { to, reason }) => {
        this.#states[origin] = to;
        this.transitions.push({ origin, to, reason });
      },
    });
  }

  /** The last reported state of its breaker. */
  state(origin: number): BreakerState | undefined {
    return this.#states[origin];
  }

  isHealthy(origin: number): boolean {
    return this.balancer.hasHealthy(this.#others(origin));
  }

  wait(ms: number): void {
    this.nowMs += ms;
  }

  acquire(options: AcquireOptions): EndpointPermit {
    return granted(this.balancer.acquire(options));
  }

  /** A retry without another choice, so never a probe. */
  attemptAt(origin: number): EndpointPermit {
    return this.acquire({ isRepeatable: false, except: this.#others(origin) });
  }

  /** Ends attempts one after another. */
  end(origin: number, how: EndName, times = 1): void {
    for (let turn = 0; turn < times; turn += 1) ENDS[how](this.attemptAt(origin));
  }

  /** Answers an attempt after this time; then another millisecond passes. */
  answerAfter(origin: number, latencyMs: number): void {
    const attempt = this.attemptAt(origin);
    this.wait(latencyMs);
    attempt.answered();
    this.wait(1);
  }

  /** Its current share, measured with ignored requests. @param except origins already tried */
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
