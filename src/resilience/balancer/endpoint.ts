/** One origin of a pool: what is known of it, and what follows for the choice. */
import type { Breaker } from "../circuit-breaker/circuit-breaker.ts";
import { InFlight } from "./in-flight.ts";
import type { PoolSettings } from "./options.ts";
import { PeakLatency } from "./peak-ewma.ts";

/** Looks come so much earlier at most, at random, so that isolates do not look together. */
const LOOK_JITTER = 0.25;
/** Beyond this exponent twice as long is above any limit. */
const MAX_EXPONENT = 16;

export class Member {
  readonly index: number;
  readonly breaker: Breaker;
  readonly latency: PeakLatency;
  readonly #weight: number;
  /** Its weight over the mean of all: a heavier one carries as much more at a time. */
  readonly #relativeWeight: number;
  readonly #settings: PoolSettings;
  readonly #random: () => number;
  readonly #onWell: (member: Member, nowMs: number) => void;
  readonly inFlight = new InFlight();
  /** How many of its failures there were: what began before the last one tells nothing of what is now. */
  failures = 0;
  /** How many broken connections were told its breaker: those that were under way then break with it. */
  breaks = 0;
  /** When it has said anything last. */
  heardAtMs = Number.NEGATIVE_INFINITY;
  /** Since when it is thought to be well; before that it was away. */
  #backSinceMs = Number.NEGATIVE_INFINITY;
  #isFailing = false;
  #failedAtMs = Number.NEGATIVE_INFINITY;
  #penaltyMs = 0;
  #failedLooks = 0;
  #nextLookAtMs: number;
  #lookedAtMs = Number.NEGATIVE_INFINITY;

  constructor(
    index: number,
    breaker: Breaker,
    weight: { readonly own: number; readonly mean: number },
    settings: PoolSettings,
    {
      nowMs,
      random,
      onWell,
    }: {
      readonly nowMs: number;
      readonly random: () => number;
      readonly onWell: (member: Member, nowMs: number) => void;
    },
  ) {
    this.index = index;
    this.breaker = breaker;
    this.latency = new PeakLatency(settings.memoryMs);
    this.#weight = weight.own;
    this.#relativeWeight = weight.own / weight.mean;
    this.#settings = settings;
    this.#random = random;
    this.#onWell = onWell;
    this.#nextLookAtMs = nowMs + this.#jittered(settings.lookEveryMs);
  }

  /** Ejected it gets probes alone. */
  get isEjected(): boolean {
    return this.breaker.state !== "closed";
  }

  /** Whether the last thing that was heard of it was a failure. */
  get isFailing(): boolean {
    return this.#isFailing;
  }

  get failedAtMs(): number {
    return this.#failedAtMs;
  }

  /** How long it has not been looked at that should have been, milliseconds; not above 0 where it is not due. */
  overdueMs(nowMs: number): number {
    // Further ahead than it was ever set it is where the clock was set back.
    const leftMs = this.#nextLookAtMs - nowMs;
    return leftMs > 2 * this.#settings.lookEveryMs ? Number.POSITIVE_INFINITY : -leftMs;
  }

  /** By how much of a share it is drawn first: its weight, and less of it while it warms up. */
  share(nowMs: number): number {
    const { warmUpMs, warmUpFrom } = this.#settings;
    const sinceMs = nowMs - this.#backSinceMs;
    if (sinceMs < 0 || sinceMs >= warmUpMs) return this.#weight;
    return this.#weight * (warmUpFrom + ((1 - warmUpFrom) * sinceMs) / warmUpMs);
  }

  /** How long a request is expected to take, as a measure: lower is better. @param unknownMs where it was never seen */
  score(nowMs: number, unknownMs: number): number {
    const latencyMs = Math.max(this.latency.ms ?? unknownMs, this.#settings.finestMs);
    return Math.max(latencyMs, this.#penaltyAt(nowMs)) * this.#load(nowMs);
  }

  /** What is under way, over what it carries beside the others; one request that is under way makes no difference. */
  #load(nowMs: number): number {
    return Math.max(1, this.inFlight.count(nowMs) / this.#relativeWeight);
  }

  /** Whether it is known to fail, and not by one refusal among others. */
  get isPenalised(): boolean {
    return this.#penaltyMs > 0;
  }

  /** @returns what its `inFlight` is to be told at the end */
  begun(isLook: boolean, nowMs: number): number {
    if (isLook) this.#lookedAtMs = nowMs;
    if (!this.#isFailing) this.#nextLookAtMs = nowMs + this.#settings.lookEveryMs;
    return this.inFlight.enter(nowMs);
  }

  /** It is looked at now: nobody else is to do so at the same time. */
  lookedAt(nowMs: number): void {
    this.#nextLookAtMs = nowMs + this.#untilNextLookMs();
  }

  /** @param failuresBefore how many failures there had been when the request was sent */
  succeeded(failuresBefore: number, nowMs: number): void {
    if (!this.#isFailing || failuresBefore !== this.failures) return;
    // One failure among others is no absence.
    if (this.#failedLooks > 0) this.isBack(nowMs);
    this.#isFailing = false;
    this.#failedLooks = 0;
    this.#penaltyMs = 0;
    this.#nextLookAtMs = nowMs + this.#settings.lookEveryMs;
    this.#onWell(this, nowMs);
  }

  /** It is looked at by the next request that may be used for it. */
  isDue(nowMs: number): void {
    this.#nextLookAtMs = nowMs - 1;
  }

  /** It does not answer. */
  failed(isLook: boolean, nowMs: number): void {
    this.#penaltyMs = this.#penaltyFor(nowMs, 0);
    this.#noteFailure(isLook, nowMs);
  }

  /** It answers that it will not. One such answer among others is no reason to move all of its traffic at once. */
  refused(isLook: boolean, nowMs: number, retryAfterMs: number): void {
    if (this.#isFailing || isLook) this.#penaltyMs = this.#penaltyFor(nowMs, retryAfterMs);
    this.#noteFailure(isLook, nowMs);
  }

  #penaltyFor(nowMs: number, retryAfterMs: number): number {
    const { penaltyMs, maxPenaltyMs } = this.#settings;
    const askedMs = Math.min(retryAfterMs, maxPenaltyMs);
    return Math.max(this.#penaltyAt(nowMs), this.latency.ms ?? 0, penaltyMs, askedMs);
  }

  #noteFailure(isLook: boolean, nowMs: number): void {
    if (isLook) this.#failedLooks += 1;
    this.failures += 1;
    this.#failedAtMs = nowMs;
    // However long a look took to fail: the next one is due as long after it began.
    const sinceMs = isLook ? Math.min(this.#lookedAtMs, nowMs) : nowMs;
    if (!this.#isFailing || isLook) this.#nextLookAtMs = Math.max(nowMs, sinceMs + this.#untilNextLookMs());
    this.#isFailing = true;
  }

  /** From now on it warms up. */
  isBack(nowMs: number): void {
    this.#backSinceMs = nowMs;
  }

  #penaltyAt(nowMs: number): number {
    if (this.#penaltyMs === 0) return 0;
    return this.#penaltyMs * Math.exp(-Math.max(0, nowMs - this.#failedAtMs) / this.#settings.memoryMs);
  }

  #untilNextLookMs(): number {
    const { firstLookMs, lookEveryMs } = this.#settings;
    return this.#jittered(
      Math.min(lookEveryMs, firstLookMs * 2 ** Math.min(this.#failedLooks, MAX_EXPONENT)),
    );
  }

  /** Never later than it says: a quarter earlier at most. */
  #jittered(ms: number): number {
    return ms * (1 - LOOK_JITTER * this.#random());
  }
}
