/**
 * Checks one request against its limits, as steps that the caller performs. It has no promise and no timer, so that the
 * same code runs on Workers, on Node, and on a simulated clock.
 */
import type { Limit } from "../../contract/policy.ts";
import type { LimitCheck } from "./limit-check.ts";
import type { LimitedClient } from "./limit-key.ts";
import type { Limiter } from "./limiter.ts";
import { Refill } from "./refill.ts";
import { type LimitVerdict, rejects } from "./verdict.ts";

export type Step =
  | Decided
  /** Send it, report its end to it, then call `next`. */
  | { readonly kind: "refill"; readonly refill: Refill }
  /** Sleep, then call `next`. */
  | { readonly kind: "wait"; readonly ms: number };

export interface Decided {
  readonly kind: "decided";
  readonly verdict: LimitVerdict;
  /** To send in the background, for later requests. */
  readonly refresh: Refill | undefined;
}

/** Factor by which a second round trip may be slower than the average. */
const PATIENCE = 1.25;
/** Round trips after which a pending refill is lost, or its request has died. */
const LOST_AFTER = 3;

export class RequestCheck {
  readonly #limiter: Limiter;
  readonly #limits: readonly Limit[];
  readonly #client: LimitedClient;
  readonly #startedAtMs: number;
  #epoch = 0;
  #checks: readonly LimitCheck[] = [];
  /** Refills of other requests that bring missing tokens. */
  #awaited: readonly Refill[] = [];
  #sent: Refill | undefined;
  #hasWaitedInVain = false;

  constructor(limiter: Limiter, limits: readonly Limit[], client: LimitedClient) {
    this.#limiter = limiter;
    this.#limits = limits;
    this.#client = client;
    this.#startedAtMs = limiter.now();
    this.#start(this.#startedAtMs);
  }

  next(): Step {
    const nowMs = this.#limiter.now();
    if (this.#sent !== undefined) return this.#isSettled() ? this.#decided(nowMs) : this.withoutStore();
    if (this.#epoch !== this.#limiter.epoch) this.#start(nowMs);
    return this.#awaited.length === 0 ? this.#decide(nowMs) : this.#wait(nowMs);
  }

  /** Decides although the store does not answer. */
  withoutStore(): Step {
    const nowMs = this.#limiter.now();
    for (const check of this.#checks) check.settleWithoutStore(nowMs);
    return this.#decided(nowMs);
  }

  /** Also after the clock was set back: tokens of an earlier epoch are void. */
  #start(nowMs: number): void {
    this.#checks = this.#limiter.checks(this.#limits, this.#client);
    this.#epoch = this.#limiter.epoch;
    this.#awaited = [];
    for (const { state, cost } of this.#checks) state.usage.add(cost, nowMs);
  }

  /** From memory if possible; else waits for a pending refill, or sends one. */
  #decide(nowMs: number): Step {
    for (const check of this.#checks) check.settleFromMemory(nowMs);
    if (this.#isRejected() || this.#isSettled()) return this.#decided(nowMs);
    // Leased tokens must outlast the wait.
    for (const check of this.#checks) check.giveUpBefore(nowMs + this.#timeLeftMs(nowMs));
    this.#awaited = this.#claim(nowMs);
    return this.#awaited.length === 0 ? this.#send(nowMs) : this.#wait(nowMs);
  }

  #wait(nowMs: number): Step {
    const leftMs = this.#timeLeftMs(nowMs);
    const { tripMs, settings } = this.#limiter;
    // The first request to find a refill late declares it lost; all that wait then look for another.
    const lateMs = LOST_AFTER * tripMs + settings.lookEveryMs;
    if (leftMs > PATIENCE * tripMs)
      for (const refill of this.#awaited) if (nowMs - refill.sentAtMs > lateMs) refill.lose();
    if (leftMs > 0 && this.#awaited.some((refill) => refill.isPending(nowMs)))
      return { kind: "wait", ms: Math.min(settings.lookEveryMs, leftMs) };
    if (this.#awaited.some(({ isOver }) => !isOver)) return this.withoutStore();
    for (const check of this.#checks) check.giveUpBefore(nowMs);
    this.#hasWaitedInVain ||= !this.#isSettled();
    return this.#decide(nowMs);
  }

  /** Claims all missing tokens from pending refills, or none. */
  #claim(nowMs: number): readonly Refill[] {
    const buckets = this.#checks.map(({ key }) => key.bucket);
    const missing = this.#checks.filter(({ isSettled }) => !isSettled);
    const parts = missing.map(({ state, cost }) => state.findPending(cost, buckets, nowMs));
    if (parts.includes(undefined)) return [];
    for (const [index, check] of missing.entries()) parts[index]?.claim(check);
    return parts.flatMap((part) => part?.refill ?? []);
  }

  #send(nowMs: number): Step {
    const leftMs = this.#timeLeftMs(nowMs);
    if (leftMs <= 0) return this.withoutStore();
    const refill = new Refill(this.#limiter, nowMs, leftMs);
    for (const check of this.#checks) if (!check.isSettled) refill.add(check, check.cost);
    this.#addLow(refill, nowMs);
    this.#sent = refill;
    return { kind: "refill", refill };
  }

  /** The same round trip refills leases that run low. */
  #addLow(refill: Refill, nowMs: number): void {
    for (const check of this.#checks) if (check.isSettled && check.isLow(nowMs)) refill.add(check, 0);
  }

  #decided(nowMs: number): Decided {
    const isAdmitted = !this.#isRejected();
    for (const check of this.#checks)
      if (isAdmitted) check.commit(nowMs);
      else check.release();
    const results = this.#checks.map((check) => check.result(nowMs));
    return { kind: "decided", verdict: { isAdmitted, results }, refresh: this.#refresh(isAdmitted, nowMs) };
  }

  #refresh(isAdmitted: boolean, nowMs: number): Refill | undefined {
    if (!isAdmitted || !this.#checks.every(({ isFromMemory }) => isFromMemory)) return undefined;
    if (!this.#checks.some((check) => check.isLow(nowMs))) return undefined;
    const refill = new Refill(this.#limiter, nowMs, this.#limiter.settings.deadlineMs);
    this.#addLow(refill, nowMs);
    return refill;
  }

  #timeLeftMs(nowMs: number): number {
    const { deadlineMs, graceMs } = this.#limiter.settings;
    return this.#startedAtMs + deadlineMs + (this.#hasWaitedInVain ? graceMs : 0) - nowMs;
  }

  #isSettled(): boolean {
    return this.#checks.every(({ isSettled }) => isSettled);
  }

  #isRejected(): boolean {
    return this.#checks.some(rejects);
  }
}
