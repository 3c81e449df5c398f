/** An isolate on the simulation's clock: the limiter itself, whose steps the simulation takes. */
import { costOf, type Limit } from "../../../../src/contract/policy.ts";
import type { Admission, Step } from "../../../../src/middleware/rate-limit/limiter/admission.ts";
import { type LimitedClient, limitKeys } from "../../../../src/middleware/rate-limit/limiter/limit-key.ts";
import { createLimiter, type Limiter } from "../../../../src/middleware/rate-limit/limiter/limiter.ts";
import type { LimiterOptions } from "../../../../src/middleware/rate-limit/limiter/options.ts";
import type { BucketReply } from "../../../../src/middleware/rate-limit/limiter/store.ts";
import type { StoreCall } from "../../../../src/middleware/rate-limit/limiter/store-call.ts";
import type { LimitVerdict } from "../../../../src/middleware/rate-limit/limiter/verdict.ts";
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
  /** Told of all tokens that leave the store, for whichever isolate. */
  readonly taken: Taken;
}

export interface RequestManner {
  /** So long before it begins it is prepared. @default it is not */
  readonly aheadMs?: number | undefined;
  /** @default its client stays */
  readonly leavesAfterMs?: number | undefined;
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

  request(
    limits: readonly Limit[],
    client: LimitedClient,
    decided: Decided,
    { aheadMs = 0, leavesAfterMs = Number.POSITIVE_INFINITY }: RequestManner = {},
  ): void {
    const { queue } = this.#at;
    const begin = (): void => {
      if (this.#isDead) return;
      const startedAtMs = queue.nowMs;
      const admission = this.#limiter.begin(limits, client);
      const isHere = (): boolean => !this.#isDead && queue.nowMs - startedAtMs < leavesAfterMs;
      this.#take(admission, admission.next(), isHere, (verdict) => {
        if (verdict.isAdmitted) this.#use(verdict, client);
        decided(verdict, queue.nowMs - startedAtMs);
      });
    };
    if (aheadMs === 0) {
      begin();
      return;
    }
    const call = this.#limiter.prepare(limits, client);
    if (call !== undefined) this.#send(call, () => undefined);
    queue.after(aheadMs, begin);
  }

  #use({ results }: LimitVerdict, client: LimitedClient): void {
    for (const { limit, mode } of results) {
      const isStores = mode === "lease" || mode === "store";
      if (isStores) this.ledger.use(this.#keyOf(limit, client).bucket, costOf(limit), this.#at.queue.nowMs);
    }
  }

  /** What it has asked for goes on when its client has gone; nothing else does. */
  #take(
    admission: Admission,
    step: Step,
    isHere: () => boolean,
    decided: (verdict: LimitVerdict) => void,
  ): void {
    if (!isHere()) return;
    const go = (next: () => Step): void => {
      if (isHere()) this.#take(admission, next(), isHere, decided);
    };
    switch (step.kind) {
      case "decided":
        if (step.refresh !== undefined) this.#send(step.refresh, () => undefined);
        decided(step.verdict);
        break;
      case "wait":
        if (this.#breaker.state === "open") go(() => admission.failed());
        else this.#at.queue.after(step.ms, () => go(() => admission.next()));
        break;
      case "ask":
        this.#send(step.call, (hasAnswered) =>
          go(() => (hasAnswered ? admission.answered(step.call) : admission.failed())),
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
