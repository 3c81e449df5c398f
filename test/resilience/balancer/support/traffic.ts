/** Requests that come by chance, before origins of which each behaves in its way, in virtual time. */

import { type Balancer, createBalancer } from "../../../../src/resilience/balancer/balancer.ts";
import type { BreakerOptions } from "../../../../src/resilience/circuit-breaker/options.ts";
import { Agenda } from "../../concurrency-limit/support/agenda.ts";
import { exponential, seededRandom } from "../../concurrency-limit/support/random.ts";
import { ENDS, type EndName, START_MS } from "./scene.ts";

export interface Behaviour {
  readonly how: EndName;
  readonly afterMs: number;
}

export interface Sent {
  readonly origin: number;
  readonly isProbe: boolean;
  readonly atMs: number;
}

export interface TrafficOptions {
  /** @default all the same */
  readonly weights?: readonly number[];
  readonly breaker?: BreakerOptions;
  /** @default 500 */
  readonly perSecond?: number;
  readonly seed?: number;
}

export const answering = (afterMs: number): Behaviour => ({ how: "answered", afterMs });

/** What the edge makes of an origin's breaker where nothing is set. */
export const EDGE_BREAKER: BreakerOptions = {
  timeoutMs: 500,
  maxTimeoutMs: 2_000,
  halfOpenTimeoutMs: 10_000,
};

export class Traffic {
  readonly pool: Balancer;
  readonly #agenda = new Agenda(START_MS);
  /** What the pool's clock is behind. */
  #behindMs = 0;
  readonly #random: () => number;
  readonly #perSecond: number;
  readonly #behaviours: Behaviour[];

  constructor(
    behaviours: readonly Behaviour[],
    {
      weights = behaviours.map(() => 1),
      breaker = EDGE_BREAKER,
      perSecond = 500,
      seed = 1,
    }: TrafficOptions = {},
  ) {
    this.#behaviours = [...behaviours];
    this.#random = seededRandom(seed);
    this.#perSecond = perSecond;
    this.pool = createBalancer(
      weights,
      { breaker },
      { now: () => this.#agenda.nowMs - this.#behindMs, random: this.#random },
    );
  }

  get nowMs(): number {
    return this.#agenda.nowMs;
  }

  /** The pool's clock alone. */
  setBack(ms: number): void {
    this.#behindMs += ms;
  }

  /** From now on: what is under way ends as it would have. */
  behave(origin: number, behaviour: Behaviour): void {
    this.#behaviours[origin] = behaviour;
  }

  /** @returns what was sent in that time; who is rejected is not sent */
  run(forMs: number, isRepeatable = true): readonly Sent[] {
    const sent: Sent[] = [];
    const untilMs = this.nowMs + forMs;
    let atMs = this.nowMs;
    for (;;) {
      atMs += (exponential(this.#random) * 1_000) / this.#perSecond;
      if (atMs > untilMs) break;
      this.#agenda.runUntil(atMs);
      const attempt = this.pool.acquire({ isRepeatable });
      const behaviour = attempt.granted ? this.#behaviours[attempt.origin] : undefined;
      if (!attempt.granted || behaviour === undefined) continue;
      sent.push({ origin: attempt.origin, isProbe: attempt.isProbe, atMs });
      this.#agenda.after(behaviour.afterMs, () => ENDS[behaviour.how](attempt));
    }
    this.#agenda.runUntil(untilMs);
    return sent;
  }
}

export const shareOf = (origin: number, sent: readonly Sent[]): number =>
  sent.filter((each) => each.origin === origin).length / sent.length;

/** Between one request that it got and the next, milliseconds. */
export const longestGapMs = (origin: number, sent: readonly Sent[], fromMs: number, toMs: number): number => {
  const times = [fromMs, ...sent.flatMap((each) => (each.origin === origin ? each.atMs : [])), toMs];
  return Math.max(...times.slice(1).map((atMs, index) => atMs - (times[index] ?? 0)));
};
