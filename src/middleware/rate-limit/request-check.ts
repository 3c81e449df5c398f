/**
 * Checks one request against its limits, as steps that the caller performs. It has no promise and no timer, so that the
 * same code runs on Workers, on Node, and on a simulated clock.
 */
import type { Limit } from "../../contract/policy.ts";
import { GRACE_MS } from "./bucket-state.ts";
import { type LimitCheck, type LimitVerdict, rejects } from "./limit-check.ts";
import type { LimitedClient } from "./limit-store.ts";
import type { Limiter } from "./limiter.ts";
import { Refill } from "./refill.ts";

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

/** Poll interval of a request that waits for another one's round trip, milliseconds. */
const POLL_MS = 4;
/** Poll interval of a request that waits for its place, milliseconds. There can be many of them. */
const QUEUE_POLL_MS = 10;
/** A timer that is later than this shows that the isolate is busy, milliseconds. */
const LATE_MS = 10;
/** Round trips after which a pending refill is lost: its request may have died. */
const LOST_AFTER = 3;

export class RequestCheck {
  readonly #limiter: Limiter;
  readonly #limits: readonly Limit[];
  readonly #client: LimitedClient;
  /** Start of the wait for the store. */
  #startedAtMs: number;
  /** When the last step's wait was to end. */
  #wakeAtMs = Number.POSITIVE_INFINITY;
  /** Its place in the queue of a strict limit: a request queues once. */
  #place: "none" | "queued" | "left" = "none";
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
    // A busy isolate wakes late, which says nothing about the store.
    const lateMs = nowMs - this.#wakeAtMs;
    if (lateMs > LATE_MS) this.#startedAtMs += lateMs;
    this.#wakeAtMs = Number.POSITIVE_INFINITY;
    if (this.#epoch !== this.#limiter.epoch) this.#start(nowMs);
    this.#join(nowMs);
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
    for (const { state, cost } of this.#checks) state.countUsage(cost, nowMs);
  }

  /** From memory if possible; else waits for a pending refill, or sends one. */
  #decide(nowMs: number): Step {
    for (const check of this.#checks) check.settleFromMemory(nowMs);
    if (this.#isRejected() || this.#isSettled()) return this.#decided(nowMs);
    // Leased tokens must outlast the wait.
    for (const check of this.#checks) check.giveUpBefore(nowMs + this.#timeLeftMs(nowMs));
    this.#awaited = this.#claim(nowMs);
    if (this.#awaited.length > 0) return this.#wait(nowMs);
    return this.#queue(nowMs) ?? this.#send(nowMs);
  }

  /** Waits for the round trip that another request has sent for this one, too. */
  #join(nowMs: number): void {
    for (const check of this.#checks) {
      if (check.joined === undefined) continue;
      this.#awaited = [check.joined];
      check.joined = undefined;
      this.#leaveQueue(nowMs);
    }
  }

  /** Waits while many round trips of a strict limit are under way; undefined if the request shall send one now. */
  #queue(nowMs: number): Step | undefined {
    const missing = this.#checks.filter(({ isSettled }) => !isSettled);
    const strict = missing.find(({ limit }) => limit.strict === true);
    if (strict === undefined || this.#place === "left") return undefined;
    if (this.#timeLeftMs(nowMs) > 0 && strict.state.queue.isFull(nowMs)) {
      // A round trip for others cannot bring the tokens of another limit, so it must not take this one's either.
      if (missing.length === 1) strict.state.queue.join(strict);
      this.#place = "queued";
      return this.#sleep(QUEUE_POLL_MS, nowMs);
    }
    if (this.#place === "queued") this.#leaveQueue(nowMs);
    return undefined;
  }

  /** The time in the queue was no wait for the store. */
  #leaveQueue(nowMs: number): void {
    this.#place = "left";
    this.#startedAtMs = nowMs;
  }

  #sleep(ms: number, nowMs: number): Step {
    this.#wakeAtMs = nowMs + ms;
    return { kind: "wait", ms };
  }

  #wait(nowMs: number): Step {
    const leftMs = this.#timeLeftMs(nowMs);
    const { tripMs } = this.#limiter;
    // The first request to find a refill late declares it lost; all that wait then look for another.
    const lateMs = LOST_AFTER * tripMs + POLL_MS;
    for (const refill of this.#awaited) if (nowMs - refill.sentAtMs > lateMs) refill.lose();
    if (leftMs > 0 && this.#awaited.some((refill) => refill.isPending(nowMs)))
      return this.#sleep(Math.min(POLL_MS, leftMs), nowMs);
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
    const missing = this.#checks.filter(({ isSettled }) => !isSettled);
    for (const check of missing) {
      if (check.limit.strict !== true) refill.add(check, check.cost);
      // If another limit may reject this round trip, no other request joins it.
      else refill.addStrict(check, check.state.queue.depart(refill, check, missing.length === 1));
    }
    this.#sent = refill;
    return { kind: "refill", refill };
  }

  #decided(nowMs: number): Decided {
    const isAdmitted = !this.#isRejected();
    if (this.#place === "queued")
      for (const check of this.#checks) if (check.limit.strict === true) check.state.queue.leave(check);
    for (const check of this.#checks)
      if (isAdmitted) check.commit(nowMs);
      else check.release();
    const results = this.#checks.map((check) => check.result(nowMs));
    return { kind: "decided", verdict: { isAdmitted, results }, refresh: this.#refresh(isAdmitted, nowMs) };
  }

  #refresh(isAdmitted: boolean, nowMs: number): Refill | undefined {
    if (!isAdmitted || this.#sent !== undefined) return undefined;
    const low = this.#checks.filter((check) => check.isLow(nowMs));
    if (low.length === 0) return undefined;
    const refill = new Refill(this.#limiter, nowMs, this.#limiter.settings.deadlineMs);
    for (const check of low) refill.add(check, 0);
    return refill;
  }

  #timeLeftMs(nowMs: number): number {
    const { deadlineMs } = this.#limiter.settings;
    return this.#startedAtMs + deadlineMs + (this.#hasWaitedInVain ? GRACE_MS : 0) - nowMs;
  }

  #isSettled(): boolean {
    return this.#checks.every(({ isSettled }) => isSettled);
  }

  #isRejected(): boolean {
    return this.#checks.some(rejects);
  }
}
