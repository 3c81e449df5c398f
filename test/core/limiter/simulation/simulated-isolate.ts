/** An isolate on the simulation's clock: the limiter itself, whose steps the simulation takes. */
import { costOf, type Limit } from "../../../../src/contract/policy.ts";
import { type Breaker, createBreaker } from "../../../../src/core/breaker/breaker.ts";
import type { Admission, Step } from "../../../../src/core/limiter/admission.ts";
import { type LimitedClient, limitKeys } from "../../../../src/core/limiter/limit-key.ts";
import { createLimiter, type Limiter } from "../../../../src/core/limiter/limiter.ts";
import type { LimiterOptions } from "../../../../src/core/limiter/options.ts";
import type { BucketReply } from "../../../../src/core/limiter/store.ts";
import type { StoreCall } from "../../../../src/core/limiter/store-call.ts";
import type { LimitVerdict } from "../../../../src/core/limiter/verdict.ts";
import type { EventQueue } from "./event-queue.ts";
import type { Taken } from "./memory-limit-store.ts";
import type { SimulatedNetwork } from "./simulated-network.ts";
import { TokenLedger } from "./token-ledger.ts";

export interface IsolateSurroundings {
  readonly queue: EventQueue;
  readonly network: SimulatedNetwork;
  readonly options: LimiterOptions;
  readonly random: () => number;
  /** Told of all tokens that leave the store, for whichever isolate. */
  readonly taken: Taken;
}

export type Decided = (verdict: LimitVerdict, waitedMs: number) => void;

export class SimulatedIsolate {
  readonly #at: IsolateSurroundings;
  readonly #limiter: Limiter;
  readonly #breaker: Breaker;
  readonly ledger: TokenLedger;
  readonly #keyOf = limitKeys(1_000);
  #skewMs: number;
  #isDead = false;

  constructor(surroundings: IsolateSurroundings, skewMs = 0) {
    this.#at = surroundings;
    this.#skewMs = skewMs;
    const now = (): number => surroundings.queue.nowMs + this.#skewMs;
    this.#limiter = createLimiter(surroundings.options, now);
    this.ledger = new TokenLedger(this.#limiter.settings.leaseMs);
    this.#breaker = createBreaker(
      { timeoutMs: 500, maxTimeoutMs: 1_000, halfOpenTimeoutMs: 300, rampMs: 0 },
      { now: () => Math.max(0, now()), random: surroundings.random },
    );
  }

  /** Its clock is set forward, or back. */
  setClock(byMs: number): void {
    this.#skewMs += byMs;
  }

  /** Nothing that it has begun comes to an end. */
  die(): void {
    this.#isDead = true;
  }

  /** @param aheadMs so long before it comes it is prepared; 0: not at all */
  request(limits: readonly Limit[], client: LimitedClient, decided: Decided, aheadMs = 0): void {
    if (aheadMs === 0) {
      this.#begin(limits, client, decided);
      return;
    }
    const call = this.#limiter.prepare(limits, client);
    if (call !== undefined) this.#send(call, () => undefined);
    this.#at.queue.after(aheadMs, () => {
      if (!this.#isDead) this.#begin(limits, client, decided);
    });
  }

  #begin(limits: readonly Limit[], client: LimitedClient, decided: Decided): void {
    const admission = this.#limiter.begin(limits, client);
    this.#take(admission, admission.next(), this.#at.queue.nowMs, (verdict, waitedMs) => {
      if (verdict.isAdmitted) this.#use(verdict, client);
      decided(verdict, waitedMs);
    });
  }

  #use({ results }: LimitVerdict, client: LimitedClient): void {
    for (const { limit, mode } of results) {
      const isStores = mode === "lease" || mode === "store";
      if (isStores) this.ledger.use(this.#keyOf(limit, client).bucket, costOf(limit), this.#at.queue.nowMs);
    }
  }

  #take(admission: Admission, step: Step, startedAtMs: number, decided: Decided): void {
    if (this.#isDead) return;
    const go = (next: Step): void => this.#take(admission, next, startedAtMs, decided);
    switch (step.kind) {
      case "decided":
        if (step.refresh !== undefined) this.#send(step.refresh, () => undefined);
        decided(step.verdict, this.#at.queue.nowMs - startedAtMs);
        break;
      case "wait":
        this.#at.queue.after(step.ms, () => {
          if (!this.#isDead) go(admission.next());
        });
        break;
      case "ask":
        this.#send(step.call, (hasAnswered) =>
          go(hasAnswered ? admission.answered(step.call) : admission.failed()),
        );
    }
  }

  #send(call: StoreCall, over: (hasAnswered: boolean) => void): void {
    const permit = this.#breaker.tryAcquire();
    let isOver = false;
    const end = (replies: readonly BucketReply[] | undefined): void => {
      if (isOver || this.#isDead) return;
      isOver = true;
      if (replies === undefined) this.#limiter.failed(call);
      else this.#limiter.answered(call, replies);
      if (permit.granted && replies === undefined) permit.fail();
      else if (permit.granted) permit.ok();
      over(replies !== undefined);
    };
    if (!permit.granted) {
      end(undefined);
      return;
    }
    this.#at.network.send(call.asks, end, (bucket, tokens) => {
      this.ledger.take(bucket, tokens, this.#at.queue.nowMs);
      this.#at.taken(bucket, tokens);
    });
    this.#at.queue.after(call.plan.timeoutMs, () => end(undefined));
  }
}
