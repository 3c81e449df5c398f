/**
 * A round trip to the store that brings more tokens of a bucket than the request needs that makes it: others may wait
 * for those. It is plain data, as requests may not wait for one another's promises on Workers; one whose request has
 * died is over when its time is, or when somebody finds that it is late.
 */

export interface FlightPlan {
  /** Tokens that it is asked to bring, beside what the request needs that makes it. */
  readonly asked: number;
  /** For so many of them others may wait. */
  readonly spare: number;
  readonly sentAtMs: number;
  readonly untilMs: number;
  /** Every bucket that may refuse the request that makes it: then it brings nothing, of any. */
  readonly needed: readonly string[];
  /** It may bring far less: who waits for it has to be ready to be refused. */
  readonly isScarce: boolean;
  /** In which era of the isolate's clock it was made: what it brings is worth nothing in another. */
  readonly era: number;
}

export class Flight {
  readonly plan: FlightPlan;
  #state: "under_way" | "answered" | "failed" | "lost" = "under_way";
  /** What may still be claimed. */
  #spare: number;
  #claimed = 0;
  /** Brought, and claimed. */
  #held = 0;
  #heldUntilMs = 0;

  constructor(plan: FlightPlan) {
    this.plan = plan;
    this.#spare = plan.spare;
  }

  /** Tokens that are on their way, and that nobody has claimed. */
  expectedAt(nowMs: number): number {
    return this.isUnderWay(nowMs) ? this.plan.asked - this.#claimed : 0;
  }

  isUnderWay(nowMs: number): boolean {
    return this.#state === "under_way" && nowMs < this.plan.untilMs;
  }

  /** It has brought what there was; or it is not waited for any more, though nobody knows that the store is away. */
  get isOver(): boolean {
    return this.#state === "answered" || this.#state === "lost";
  }

  /** Whether as many are expected by whoever asks for these buckets: who needs fewer might wait for another's refusal. */
  canClaim(tokens: number, buckets: readonly string[], nowMs: number): boolean {
    return (
      this.isUnderWay(nowMs) &&
      this.#spare >= tokens &&
      this.plan.needed.every((bucket) => buckets.includes(bucket))
    );
  }

  /** They are the claimant's. */
  claim(tokens: number): void {
    this.#spare -= tokens;
    this.#claimed += tokens;
  }

  /** Nobody waits for it any more; what it brings after all is everybody's. */
  lose(): void {
    if (this.#state !== "under_way") return;
    this.#state = "lost";
    this.#claimed = 0;
  }

  /** @returns what nobody has claimed of the tokens that it has brought */
  answered(tokens: number, tokensUntilMs: number): number {
    this.#state = "answered";
    this.#held = Math.min(tokens, this.#claimed);
    this.#heldUntilMs = tokensUntilMs;
    return tokens - this.#held;
  }

  failed(): void {
    if (this.#state === "under_way") this.#state = "failed";
  }

  /** @returns until when the claimed tokens are good; undefined where it has not brought so many */
  collect(tokens: number, nowMs: number): number | undefined {
    if (this.#held < tokens || nowMs >= this.#heldUntilMs) return undefined;
    this.#held -= tokens;
    return this.#heldUntilMs;
  }
}
