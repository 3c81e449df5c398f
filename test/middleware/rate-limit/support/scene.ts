/** One isolate and its store, on a manual clock. */
import type { Limit } from "../../../../src/contract/policy.ts";
import type { LimitedClient } from "../../../../src/middleware/rate-limit/limit-store.ts";
import { Limiter, type LimiterOptions } from "../../../../src/middleware/rate-limit/limiter.ts";
import type { Refill } from "../../../../src/middleware/rate-limit/refill.ts";
import type { LimitResult, LimitVerdict } from "../../../../src/middleware/rate-limit/request-check.ts";
import { MemoryLimitStore } from "../simulation/memory-limit-store.ts";

export const ALICE: LimitedClient = { network: "192.0.2.1", principal: "alice" };

export const limitOf = (numbers: Partial<Limit> = {}): Limit => ({
  name: "test",
  capacity: 10,
  refillPerSecond: 1,
  per: "client",
  onStoreFailure: "closed",
  ...numbers,
});

export class Scene {
  nowMs = 1_000_000;
  /** Whether the store answers. */
  isStoreThere = true;
  readonly store: MemoryLimitStore;
  readonly limiter: Limiter;

  /** @param store another isolate's, to share it */
  constructor(options: LimiterOptions = {}, store?: MemoryLimitStore) {
    this.store = store ?? new MemoryLimitStore(() => this.nowMs);
    this.limiter = new Limiter(options, () => this.nowMs);
  }

  wait(ms: number): void {
    this.nowMs += ms;
  }

  /** A request with instant round trips, including those in advance. */
  request(limits: Limit | readonly Limit[], client: LimitedClient = ALICE): LimitVerdict {
    const check = this.limiter.begin([limits].flat(), client);
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
