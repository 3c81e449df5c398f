/**
 * How many credentials of an address may turn out to be wrong: guesses cost a lookup or a verification each. The isolate
 * counts them in its memory, so they cost no round trip.
 */
import QuickLRU from "quick-lru";
import type { AuthFailureReason } from "../../security-events/event.ts";
import { type BucketLevel, levelAt, waitMs } from "../rate-limit/token-bucket.ts";
import type { AuthResult } from "./principal.ts";

/** Failed checks of an address: this many at once, and then so many per second. */
export const FAILED_CHECKS = { capacity: 20, refillPerSecond: 1 } as const;
/** Part of a failed check that one under way counts: a hundred may be, for clients that share an address. */
const UNDER_WAY = 0.2;
/** Checks that were under way together can exceed the capacity: the address then waits for longer. */
const RULE = { ...FAILED_CHECKS, capacity: FAILED_CHECKS.capacity / UNDER_WAY };
const MAX_NETWORKS = 10_000;

/** The signature is valid, or the secret: a client with a wrong clock or configuration, or old credentials. */
const NO_GUESS: readonly AuthFailureReason[] = [
  "expired",
  "not_yet_valid",
  "no_expiry",
  "no_subject",
  "wrong_audience",
  "wrong_issuer",
];

const isGuess = (result: AuthResult): boolean =>
  result.kind === "refused" && !NO_GUESS.includes(result.reason);

export class FailedChecks {
  readonly #levels = new QuickLRU<string, BucketLevel>({ maxSize: MAX_NETWORKS });
  readonly #now: () => number;

  /** @param now epoch milliseconds */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** A check is under way; then report its end. */
  begin(network: string): void {
    this.#add(network, UNDER_WAY);
  }

  end(network: string, result: AuthResult): void {
    this.#add(network, isGuess(result) ? 1 - UNDER_WAY : -UNDER_WAY);
  }

  /** Milliseconds until the network may have another one checked; 0 if it may now. */
  waitMs(network: string): number {
    return waitMs(FAILED_CHECKS.capacity - this.#level(network), UNDER_WAY, RULE);
  }

  #level(network: string): number {
    return levelAt(this.#levels.get(network), RULE, this.#now());
  }

  #add(network: string, checks: number): void {
    const level = Math.max(0, this.#level(network) + checks);
    this.#levels.set(network, { level, atMs: this.#now() });
  }
}
