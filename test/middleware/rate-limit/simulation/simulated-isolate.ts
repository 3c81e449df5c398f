/** An isolate on the simulated clock: the real limiter, with its steps performed by the simulation. */
import { costOf, type Limit } from "../../../../src/contract/policy.ts";
import {
  type BucketReply,
  type LimitedClient,
  limitKey,
} from "../../../../src/middleware/rate-limit/limit-store.ts";
import { Limiter, type LimiterOptions } from "../../../../src/middleware/rate-limit/limiter.ts";
import type { Refill } from "../../../../src/middleware/rate-limit/refill.ts";
import type {
  LimitVerdict,
  RequestCheck,
  Step,
} from "../../../../src/middleware/rate-limit/request-check.ts";
import { type Breaker, createBreaker } from "../../../../src/resilience/circuit-breaker/circuit-breaker.ts";
import type { EventQueue } from "./event-queue.ts";
import type { Taken } from "./memory-limit-store.ts";
import type { SimulatedNetwork } from "./simulated-network.ts";
import { TokenLedger } from "./token-ledger.ts";

export interface IsolateSurroundings {
  readonly queue: EventQueue;
  readonly network: SimulatedNetwork;
  readonly options: LimiterOptions;
  readonly random: () => number;
  /** Called for all tokens that leave the store. */
  readonly taken: Taken;
}

export type Decided = (verdict: LimitVerdict, waitedMs: number) => void;

export class SimulatedIsolate {
  readonly #at: IsolateSurroundings;
  readonly #limiter: Limiter;
  readonly #breaker: Breaker;
  readonly ledger: TokenLedger;
  #skewMs: number;
  #isDead = false;

  constructor(surroundings: IsolateSurroundings, skewMs = 0) {
    this.#at = surroundings;
    this.#skewMs = skewMs;
    const now = (): number => surroundings.queue.nowMs + this.#skewMs;
    this.#limiter = new Limiter(surroundings.options, now);
    this.ledger = new TokenLedger(this.#limiter.settings.leaseMs);
    this.#breaker = createBreaker(
      { timeoutMs: 500, maxTimeoutMs: 1_000, halfOpenTimeoutMs: 300, rampMs: 0 },
      { now: () => Math.max(0, now()), random: surroundings.random },
    );
  }

  /** Sets the clock forward, or back if negative. */
  setClock(byMs: number): void {
    this.#skewMs += byMs;
  }

  /** Abandons all requests and calls. */
  die(): void {
    this.#isDead = true;
  }

  /** @param leavesAfterMs when the client leaves */
  request(
    limits: readonly Limit[],
    client: LimitedClient,
    decided: Decided,
    leavesAfterMs = Number.POSITIVE_INFINITY,
  ): void {
    if (this.#isDead) return;
    const { queue } = this.#at;
    const startedAtMs = queue.nowMs;
    const check = this.#limiter.begin(limits, client);
    const isHere = (): boolean => !this.#isDead && queue.nowMs - startedAtMs < leavesAfterMs;
    this.#take(check, check.next(), isHere, (verdict) => {
      if (verdict.isAdmitted) this.#use(verdict, client);
      decided(verdict, queue.nowMs - startedAtMs);
    });
  }

  #use({ results }: LimitVerdict, client: LimitedClient): void {
    for (const { limit, mode } of results) {
      const isStores = mode === "lease" || mode === "store";
      if (isStores) this.ledger.use(limitKey(limit, client).bucket, costOf(limit), this.#at.queue.nowMs);
    }
  }

  /** Performs the steps of a check until its client leaves; refills that were sent continue. */
  #take(
    check: RequestCheck,
    step: Step,
    isHere: () => boolean,
    decided: (verdict: LimitVerdict) => void,
  ): void {
    if (!isHere()) return;
    const go = (next: () => Step): void => {
      if (isHere()) this.#take(check, next(), isHere, decided);
    };
    switch (step.kind) {
      case "decided":
        if (step.refresh !== undefined) this.#send(step.refresh, () => undefined);
        decided(step.verdict);
        break;
      case "wait":
        if (this.#breaker.state === "open") go(() => check.withoutStore());
        else this.#at.queue.after(step.ms, () => go(() => check.next()));
        break;
      case "refill":
        this.#send(step.refill, () => go(() => check.next()));
    }
  }

  #send(refill: Refill, over: () => void): void {
    const permit = this.#breaker.tryAcquire();
    let isOver = false;
    const end = (replies: readonly BucketReply[] | undefined): void => {
      if (isOver || this.#isDead) return;
      isOver = true;
      if (replies === undefined) refill.failed();
      else refill.answered(replies);
      if (permit.granted && replies === undefined) permit.fail();
      else if (permit.granted) permit.ok();
      over();
    };
    if (!permit.granted) {
      end(undefined);
      return;
    }
    this.#at.network.send(refill.asks, end, (bucket, tokens) => {
      this.ledger.take(bucket, tokens, this.#at.queue.nowMs);
      this.#at.taken(bucket, tokens);
    });
    this.#at.queue.after(refill.timeoutMs, () => end(undefined));
  }
}
