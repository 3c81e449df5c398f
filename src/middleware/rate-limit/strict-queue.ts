/**
 * The requests of one strict bucket. The first few make a round trip each. While these are under way, further ones wait, and
 * the next round trip asks for the tokens of all that wait: many connections cause few calls, which a busy isolate can
 * still answer in time. A token is used when it arrives, and never kept.
 */
import type { LimitCheck } from "./limit-check.ts";
import type { Refill } from "./refill.ts";

/** With more round trips under way, a request waits. */
const MAX_IN_FLIGHT = 4;
/** Most requests that wait for one round trip; others wait for the next one. */
const MAX_WAITING = 512;

interface Departed {
  readonly refill: Refill;
  /** Tokens for the requests on it. */
  readonly tokens: number;
}

export class StrictQueue {
  #inFlight: Departed[] = [];
  readonly #waiting = new Set<LimitCheck>();

  /** Whether a request must wait for another one's round trip to end, or to take it along. */
  isFull(nowMs: number): boolean {
    this.#inFlight = this.#inFlight.filter(({ refill }) => refill.isPending(nowMs));
    return this.#inFlight.length >= MAX_IN_FLIGHT;
  }

  /** Tokens that the store may be about to grant. */
  tokensInFlight(nowMs: number): number {
    return this.#inFlight.reduce(
      (sum, { refill, tokens }) => sum + (refill.isPending(nowMs) ? tokens : 0),
      0,
    );
  }

  /** The next round trip asks for this check, too. */
  join(check: LimitCheck): void {
    if (this.#waiting.size < MAX_WAITING) this.#waiting.add(check);
  }

  /** Its request was decided without a round trip. */
  leave(check: LimitCheck): void {
    this.#waiting.delete(check);
  }

  /** @returns the checks that join the sender's round trip */
  depart(refill: Refill, sender: LimitCheck, mayJoin: boolean): readonly LimitCheck[] {
    this.#waiting.delete(sender);
    const joining = mayJoin ? [...this.#waiting].filter(({ isSettled }) => !isSettled) : [];
    if (mayJoin) this.#waiting.clear();
    for (const check of joining) check.joined = refill;
    this.#inFlight.push({ refill, tokens: joining.reduce((sum, { cost }) => sum + cost, sender.cost) });
    return joining;
  }
}
