/** One isolate and its store, on a manual clock. */
import type { Limit } from "../../../../src/contract/policy.ts";
import type { LimitResult, LimitVerdict } from "../../../../src/middleware/rate-limit/limit-check.ts";
import type { LimitedClient } from "../../../../src/middleware/rate-limit/limit-store.ts";
import { Limiter, type LimiterOptions } from "../../../../src/middleware/rate-limit/limiter.ts";
import type { Refill } from "../../../../src/middleware/rate-limit/refill.ts";
import { RequestCheck, type Step } from "../../../../src/middleware/rate-limit/request-check.ts";
import { MemoryLimitStore } from "../simulation/memory-limit-store.ts";

export const SETTINGS: LimiterOptions = { leaseMs: 2_000, deadlineMs: 150 };

export const ALICE: LimitedClient = { network: "192.0.2.1", principal: "alice" };

export const limitOf = (numbers: Partial<Limit> = {}): Limit => ({
  name: "test",
  capacity: 10,
  refillPerSecond: 1,
  per: "client",
  onStoreFailure: "closed",
  ...numbers,
});

export const large = limitOf({ capacity: 1_000, refillPerSecond: 1_000 });

export const refillOf = (step: Step): Refill => {
  if (step.kind !== "refill") throw new Error(`expected a refill, not ${step.kind}`);
  return step.refill;
};

export const verdictOf = (step: Step): LimitVerdict => {
  if (step.kind !== "decided") throw new Error(`expected a decision, not ${step.kind}`);
  return step.verdict;
};

export class Scene {
  nowMs = 1_000_000;
  /** Whether the store answers. */
  isStoreThere = true;
  readonly store: MemoryLimitStore;
  readonly limiter: Limiter;

  /** @param store another isolate's, to share it */
  constructor(store?: MemoryLimitStore) {
    this.store = store ?? new MemoryLimitStore(() => this.nowMs);
    this.limiter = new Limiter(SETTINGS, () => this.nowMs);
  }

  wait(ms: number): void {
    this.nowMs += ms;
  }

  /** Lets a waiting request poll in time for that long. @returns its last step */
  poll(check: RequestCheck, ms: number): Step {
    const untilMs = this.nowMs + ms;
    let step = check.next();
    while (step.kind === "wait" && this.nowMs < untilMs) {
      this.wait(Math.min(step.ms, untilMs - this.nowMs));
      step = check.next();
    }
    return step;
  }

  begin(limits: readonly Limit[], client: LimitedClient = ALICE): RequestCheck {
    return new RequestCheck(this.limiter, limits, client);
  }

  /** A request with instant round trips, including those in advance. */
  request(limits: Limit | readonly Limit[], client: LimitedClient = ALICE): LimitVerdict {
    const check = this.begin([limits].flat(), client);
    let step = check.next();
    while (step.kind !== "decided") {
      if (step.kind === "wait") throw new Error("no refill is pending");
      this.answer(step.refill);
      step = check.next();
    }
    if (step.refresh !== undefined) this.answer(step.refresh);
    return step.verdict;
  }

  /** The result of a request with one limit. */
  result(limit: Limit, client: LimitedClient = ALICE): LimitResult {
    const [result] = this.request(limit, client).results;
    if (result === undefined) throw new Error("expected one result");
    return result;
  }

  /** `MODE OUTCOME` of each request. */
  outcomes(limit: Limit, times: number, client: LimitedClient = ALICE): string[] {
    return Array.from({ length: times }, () => {
      const { mode, outcome } = this.result(limit, client);
      return `${mode} ${outcome}`;
    });
  }

  /** The number of requests admitted. */
  admitted(limit: Limit, times: number, client: LimitedClient = ALICE): number {
    return Array.from({ length: times }, () => this.request(limit, client)).filter(
      ({ isAdmitted }) => isAdmitted,
    ).length;
  }

  answer(refill: Refill): void {
    if (this.isStoreThere) refill.answered(this.store.take(refill.asks));
    else refill.failed();
  }
}
