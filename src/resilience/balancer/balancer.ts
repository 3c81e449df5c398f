/**
 * Chooses among origins that do the same: power of two choices on peak-EWMA latency, with a penalty for failures.
 *
 * One origin is drawn by its share, and a second one may take its place: the surer, the better it is. So equal ones
 * get their shares exactly, one that is worse gets hardly anything, and one that is better gets no more than twice its
 * share and then slows down under it (Mitzenmacher 2001, "The power of two choices in randomized load balancing");
 * unless it is far better than all others, what is under way there included. What is not known of an origin is found
 * out by looking: a request that may be made again goes there.
 *
 * It keeps no timer and no promise: the clock and the random source are passed in.
 */

import type { Transition } from "../circuit-breaker/circuit-breaker.ts";
import { createBreaker } from "../circuit-breaker/circuit-breaker.ts";
import type { BreakerOptions } from "../circuit-breaker/options.ts";
import { PoolAttempt } from "./attempt.ts";
import { Member } from "./endpoint.ts";
import { type PoolOptions, type PoolSettings, poolSettings } from "./options.ts";

export interface PoolDependencies {
  /** Milliseconds. */
  readonly now: () => number;
  /** Within [0, 1). */
  readonly random: () => number;
  /** Told of every change of an origin's breaker: ejected, probed, back. */
  readonly onTransition?: (origin: number, transition: Transition) => void;
}

export interface Asking {
  /** Whether it may be sent again, or to another one at the same time. */
  readonly isRepeatable: boolean;
  /** Origins that have been tried for it. @default none */
  readonly except?: readonly number[];
  /** Whether it may be used to find something out. @default where none has been tried */
  readonly mayLook?: boolean;
  /** How long it may take, milliseconds: so long a probe is waited for. @default the breaker's own */
  readonly leaseMs?: number;
}

/** No origin may be asked now. */
export interface PoolRejection {
  readonly granted: false;
  /** When one may be, on the pool's clock; undefined where there is none to wait for. */
  readonly retryAtMs: number | undefined;
}

export interface OriginPool {
  /** Leave to ask an origin, decided at once. Who gets it tells how it ended. */
  acquire(asking: Asking): PoolAttempt | PoolRejection;
  /** Whether there is another one of which nothing bad was heard last. */
  hasWell(except: readonly number[]): boolean;
  /** Whether there is another one that is not ejected. */
  hasOther(except: readonly number[]): boolean;
  readonly size: number;
}

const NOBODY: readonly number[] = [];
/** Looks that are due so often over are done by any request. */
const LAST_LOOKS = 3;
/** One that is so many times as good is taken wherever it is. */
const FAR = 4;

class PoolCore implements OriginPool {
  readonly #members: readonly Member[];
  readonly #settings: PoolSettings;
  readonly #now: () => number;
  readonly #random: () => number;
  #panickedAtMs = Number.NEGATIVE_INFINITY;

  constructor(
    weights: readonly number[],
    settings: PoolSettings,
    breaker: BreakerOptions,
    { now, random, onTransition }: PoolDependencies,
  ) {
    this.#settings = settings;
    this.#now = now;
    this.#random = random;
    const mean = weights.reduce((sum, weight) => sum + weight, 0) / weights.length;
    const nowMs = now();
    // It is to be looked at as often as any other.
    const longestMs = Math.max(settings.lookEveryMs, breaker.timeoutMs ?? 0);
    this.#members = weights.map((own, index) => {
      const guarding = createBreaker(
        // The pool itself gives less to one that is back: what its breaker took back nobody else would get.
        { maxTimeoutMs: longestMs, ...breaker, rampMs: 0 },
        {
          now,
          random,
          onTransition: (transition) => {
            if (transition.to === "closed") this.#returned(index, transition.atMs);
            onTransition?.(index, transition);
          },
        },
      );
      const onWell = (member: Member, atMs: number): void => this.#well(member, atMs);
      return new Member(index, guarding, { own, mean }, settings, { nowMs, random, onWell });
    });
  }

  get size(): number {
    return this.#members.length;
  }

  acquire({ isRepeatable, except = NOBODY, mayLook, leaseMs }: Asking): PoolAttempt | PoolRejection {
    const nowMs = this.#now();
    // Nobody is sent a second time only to find something out.
    const isLooking = (mayLook ?? except.length === 0) && this.#members.length > 1;
    return (
      (isLooking ? this.#look(nowMs, isRepeatable, leaseMs) : undefined) ??
      this.#drawn(nowMs, except) ??
      this.#lastResort(nowMs, except, leaseMs)
    );
  }

  hasOther(except: readonly number[]): boolean {
    return this.#members.some((member) => !(member.isEjected || except.includes(member.index)));
  }

  hasWell(except: readonly number[]): boolean {
    return this.#members.some(
      (member) => !(member.isEjected || member.isFailing || except.includes(member.index)),
    );
  }

  /** Of those that are due the one that has waited longest. */
  #look(nowMs: number, isRepeatable: boolean, leaseMs: number | undefined): PoolAttempt | undefined {
    // One that may be sent once only is risked where no other one ever comes, or who is back would never be seen.
    const leastMs = isRepeatable ? 0 : LAST_LOOKS * this.#settings.lookEveryMs;
    const probe = this.#probe(nowMs, leastMs, leaseMs);
    if (probe !== undefined) return probe;
    let due: Member | undefined;
    let overdueMs = leastMs;
    for (const member of this.#members) {
      const memberMs = member.isEjected ? 0 : member.overdueMs(nowMs);
      if (memberMs <= overdueMs) continue;
      due = member;
      overdueMs = memberMs;
    }
    if (due === undefined) return undefined;
    due.lookedAt(nowMs);
    return this.#begin(due, true, nowMs);
  }

  /** A place in the probes of one that is ejected. */
  #probe(nowMs: number, leastMs: number, leaseMs: number | undefined): PoolAttempt | undefined {
    const isPanicking = this.#panic(nowMs) && leastMs === 0;
    for (const member of this.#members) {
      // One that has answered a probe gets the next ones at once.
      const isDue = isPanicking || !member.isFailing || member.overdueMs(nowMs) > leastMs;
      const probe = member.isEjected && isDue ? this.#begin(member, true, nowMs, leaseMs) : undefined;
      if (probe !== undefined) return probe;
    }
    return undefined;
  }

  /**
   * While more than half are ejected, those that are left carry too much: the next one is not waited for.
   *
   * @returns whether that is so
   */
  #panic(nowMs: number): boolean {
    let ejected = 0;
    let first: Member | undefined;
    for (const member of this.#members) {
      if (!member.isEjected) continue;
      ejected += 1;
      const isOpen = member.breaker.state === "open";
      if (isOpen && (first === undefined || byFailure(member, first) < 0)) first = member;
    }
    if (ejected <= this.#members.length / 2) return false;
    if (Math.abs(nowMs - this.#panickedAtMs) < this.#settings.panicEveryMs) return true;
    this.#panickedAtMs = nowMs;
    first?.breaker.probeNow();
    return true;
  }

  /** Where most were away one that is back is a sign that the others are, and is not to carry everything. */
  #returned(origin: number, nowMs: number): void {
    const others = this.#members.filter(({ index, isEjected }) => index !== origin && isEjected);
    if (others.length + 1 > this.#members.length / 2) for (const { breaker } of others) breaker.probeNow();
    this.#members[origin]?.isBack(nowMs);
  }

  /** The same for those that only refuse. */
  #well(member: Member, nowMs: number): void {
    const failing = this.#members.filter((other) => other !== member && other.isFailing);
    if (failing.length + 1 > this.#members.length / 2) for (const other of failing) other.isDue(nowMs);
  }

  #drawn(nowMs: number, except: readonly number[]): PoolAttempt | undefined {
    const first = this.#draw(nowMs, except, undefined);
    if (first === undefined) return undefined;
    const second = this.#draw(nowMs, except, first);
    const drawn = second !== undefined && this.#isTaken(second, first, nowMs) ? second : first;
    return this.#begin(this.#orFarBetter(drawn, except, nowMs), false, nowMs);
  }

  /** Where both that were drawn are far worse than another one, as two of three may be. */
  #orFarBetter(drawn: Member, except: readonly number[], nowMs: number): Member {
    if (this.#members.length < 3) return drawn;
    const unknownMs = this.#medianMs();
    let best = drawn;
    let bestScore = drawn.score(nowMs, unknownMs) / FAR;
    for (const member of this.#members) {
      if (!isFree(member, except, drawn)) continue;
      const score = member.score(nowMs, unknownMs);
      if (score >= bestScore) continue;
      best = member;
      bestScore = score;
    }
    return best;
  }

  /** By their shares, one that may be asked. */
  #draw(nowMs: number, except: readonly number[], but: Member | undefined): Member | undefined {
    // Those that fail are left to looks, while there are others.
    const hasBetter = this.#members.some(
      (member) => isFree(member, except, undefined) && !member.isPenalised,
    );
    const isOut = (member: Member): boolean =>
      !isFree(member, except, but) || (hasBetter && member.isPenalised);
    let total = 0;
    for (const member of this.#members) if (!isOut(member)) total += member.share(nowMs);
    let left = this.#random() * total;
    let last: Member | undefined;
    for (const member of this.#members) {
      if (isOut(member)) continue;
      last = member;
      left -= member.share(nowMs);
      if (left < 0) break;
    }
    return last;
  }

  #isTaken(second: Member, first: Member, nowMs: number): boolean {
    const { tolerance, sharpness } = this.#settings;
    const unknownMs = this.#medianMs();
    const ratio = (tolerance * second.score(nowMs, unknownMs)) / first.score(nowMs, unknownMs);
    return ratio < 1 && this.#random() < 1 - ratio ** sharpness;
  }

  /** Of those that have been seen: what one is taken for that has not. */
  #medianMs(): number {
    if (this.#members.every(({ latency }) => latency.ms !== undefined)) return 0;
    const known = this.#members.flatMap(({ latency }) => latency.ms ?? []).sort((a, b) => a - b);
    return known[known.length >> 1] ?? 0;
  }

  /** None is thought to be well: whichever may be probed, the one that failed longest ago first. */
  #lastResort(
    nowMs: number,
    except: readonly number[],
    leaseMs: number | undefined,
  ): PoolAttempt | PoolRejection {
    if (this.#members.length > 1) this.#panic(nowMs);
    let retryAtMs: number | undefined;
    for (const member of [...this.#members].sort(byFailure)) {
      if (except.includes(member.index)) continue;
      const answer = member.breaker.tryAcquire(leaseMs);
      if (answer.granted) return this.#granted(member, answer, true, nowMs);
      retryAtMs = Math.min(retryAtMs ?? answer.retryAtMs, answer.retryAtMs);
    }
    return { granted: false, retryAtMs };
  }

  #begin(member: Member, isLook: boolean, nowMs: number, leaseMs?: number): PoolAttempt | undefined {
    const answer = member.breaker.tryAcquire(leaseMs);
    return answer.granted ? this.#granted(member, answer, isLook, nowMs) : undefined;
  }

  #granted(
    member: Member,
    permit: ConstructorParameters<typeof PoolAttempt>[1],
    isLook: boolean,
    nowMs: number,
  ): PoolAttempt {
    return new PoolAttempt(member, permit, { isLook, nowMs, mostMs: this.#settings.penaltyMs }, this.#now);
  }
}

const isFree = (member: Member, except: readonly number[], but: Member | undefined): boolean =>
  member !== but && !member.isEjected && !except.includes(member.index);

const byFailure = (a: Member, b: Member): number => a.failedAtMs - b.failedAtMs;

/**
 * @param weights of the origins, each above 0: of two that are equally good one of weight 2 gets twice as much
 * @param breaker of each origin
 * @throws RangeError for options that make no sense
 */
export const createOriginPool = (
  weights: readonly number[],
  options: PoolOptions & { readonly breaker?: BreakerOptions },
  dependencies: PoolDependencies,
): OriginPool => {
  for (const weight of weights)
    if (!(weight > 0 && weight < Number.POSITIVE_INFINITY))
      throw new RangeError("a weight must be above 0, and finite");
  const { breaker = {}, ...others } = options;
  return new PoolCore(weights, poolSettings(others), breaker, dependencies);
};
