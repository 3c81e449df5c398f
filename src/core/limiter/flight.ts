/**
 * A round trip to the store that brings more tokens of a bucket than the request needs that makes it: others may wait
 * for those. It is plain data, as requests may not wait for one another's promises on Workers; one whose request has
 * died is over when its time is.
 */
export class Flight {
  readonly untilMs: number;
  #state: "under_way" | "answered" | "failed" = "under_way";
  /** Expected, and claimed by nobody yet. */
  #spare: number;
  #claimed = 0;
  /** Brought, and claimed. */
  #held = 0;
  #heldUntilMs = 0;

  constructor(spare: number, untilMs: number) {
    this.#spare = spare;
    this.untilMs = untilMs;
  }

  /** Tokens that are on their way, and that nobody has claimed. */
  spareAt(nowMs: number): number {
    return this.isUnderWay(nowMs) ? this.#spare : 0;
  }

  isUnderWay(nowMs: number): boolean {
    return this.#state === "under_way" && nowMs < this.untilMs;
  }

  get isAnswered(): boolean {
    return this.#state === "answered";
  }

  /** Whether so many are expected; then they are the claimant's. */
  claim(tokens: number, nowMs: number): boolean {
    if (this.spareAt(nowMs) < tokens) return false;
    this.#spare -= tokens;
    this.#claimed += tokens;
    return true;
  }

  /** @returns what nobody has claimed of the tokens that it has brought */
  answered(tokens: number, tokensUntilMs: number): number {
    this.#state = "answered";
    this.#held = Math.min(tokens, this.#claimed);
    this.#heldUntilMs = tokensUntilMs;
    return tokens - this.#held;
  }

  failed(): void {
    this.#state = "failed";
  }

  /** @returns until when the claimed tokens are good; undefined where it has not brought so many */
  collect(tokens: number, nowMs: number): number | undefined {
    if (this.#held < tokens || nowMs >= this.#heldUntilMs) return undefined;
    this.#held -= tokens;
    return this.#heldUntilMs;
  }
}
