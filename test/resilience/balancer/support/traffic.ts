/** Random requests to origins with fixed behaviors, in virtual time. */
import { Balancer } from "../../../../src/resilience/balancer/balancer.ts";
import type { BreakerOptions } from "../../../../src/resilience/circuit-breaker/circuit-breaker.ts";
import { Agenda } from "../../concurrency-limit/support/agenda.ts";
import { exponential, seededRandom } from "../../concurrency-limit/support/random.ts";
import { ENDS, type EndName, START_MS } from "./scene.ts";

export interface Behavior {
  readonly how: EndName;
  readonly afterMs: number;
}

export interface Sent {
  readonly origin: number;
  readonly isProbe: boolean;
  readonly atMs: number;
}

export interface TrafficOptions {
  /** @default equal */
  readonly weights?: readonly number[];
  readonly breaker?: BreakerOptions;
  /** @default 500 */
  readonly perSecond?: number;
}

export const answering = (afterMs: number): Behavior => ({ how: "answered", afterMs });

/** Like the edge's. */
export const EDGE_BREAKER: BreakerOptions = {
  timeoutMs: 500,
  maxTimeoutMs: 2_000,
  halfOpenTimeoutMs: 10_000,
};

export class Traffic {
  readonly balancer: Balancer;
  readonly #agenda = new Agenda(START_MS);
  /** Lag of the balancer's clock. */
  #behindMs = 0;
  readonly #random: () => number;
  readonly #perSecond: number;
  readonly #behaviors: Behavior[];

  constructor(
    behaviors: readonly Behavior[],
    { weights = behaviors.map(() => 1), breaker = EDGE_BREAKER, perSecond = 500 }: TrafficOptions = {},
  ) {
    this.#behaviors = [...behaviors];
    this.#random = seededRandom(1);
    this.#perSecond = perSecond;
    const now = (): number => this.#agenda.nowMs - this.#behindMs;
    this.balancer = new Balancer(weights, breaker, { now, random: this.#random });
  }

  get nowMs(): number {
    return this.#agenda.nowMs;
  }

  /** Only the balancer's clock. */
  setBack(ms: number): void {
    this.#behindMs += ms;
  }

  /** For new attempts. */
  behave(origin: number, behavior: Behavior): void {
    this.#behaviors[origin] = behavior;
  }

  /** @returns the attempts of that time, without rejections */
  run(forMs: number, isRepeatable = true): readonly Sent[] {
    const sent: Sent[] = [];
    const untilMs = this.nowMs + forMs;
    let atMs = this.nowMs;
    for (;;) {
      atMs += (exponential(this.#random) * 1_000) / this.#perSecond;
      if (atMs > untilMs) break;
      this.#agenda.runUntil(atMs);
      const attempt = this.balancer.acquire({ isRepeatable });
      const behavior = attempt.granted ? this.#behaviors[attempt.origin] : undefined;
      if (!attempt.granted || behavior === undefined) continue;
      sent.push({ origin: attempt.origin, isProbe: attempt.isProbe, atMs });
      this.#agenda.after(behavior.afterMs, () => ENDS[behavior.how](attempt));
    }
    this.#agenda.runUntil(untilMs);
    return sent;
  }
}

export const shareOf = (origin: number, sent: readonly Sent[]): number =>
  sent.filter((each) => each.origin === origin).length / sent.length;

/** Longest time between two of its requests. */
export const longestGapMs = (origin: number, sent: readonly Sent[], fromMs: number, toMs: number): number => {
  const times = [fromMs, ...sent.flatMap((each) => (each.origin === origin ? each.atMs : [])), toMs];
  return Math.max(...times.slice(1).map((atMs, index) => atMs - (times[index] ?? 0)));
};
