/**
 * When to check the baselines while the limit is in use. At the clock's own round times, so that processes that share
 * a backend and a clock do it together: one alone would measure the others' load. (So do the ProbeRTT phases of BBR's
 * flows come to coincide, draft-ietf-ccwg-bbr §5.3.4.) All times are milliseconds.
 */

/** Regularly: a probe costs about half the work of some latencies. */
const REGULAR_LATENCIES = 100;
const REGULAR_MS = 8_000;
/** Where something is odd. */
const EARLY_LATENCIES = 2;
const EARLY_MS = 512;
/** So many early ones may come in a row; each regular one allows for a part of another. */
const MAX_CREDIT = 6;
const CREDIT_EACH = 0.25;
/** A probe takes at least so much of the time between two regular ones. */
const TIME_SHARE = 1 / 64;

/** Powers of two: every longer step is a multiple of the shorter ones. */
const stepOf = (leastMs: number): number => 2 ** Math.ceil(Math.log2(leastMs));
const regularStep = (latencyMs: number): number =>
  stepOf(Math.max(REGULAR_MS, REGULAR_LATENCIES * latencyMs));
const earlyStep = (latencyMs: number): number => stepOf(Math.max(EARLY_MS, EARLY_LATENCIES * latencyMs));

const nextMultiple = (afterMs: number, stepMs: number): number => (Math.floor(afterMs / stepMs) + 1) * stepMs;

/** Whether the baselines seem to be right, to be wrong, or were found to be wrong and need a second look. */
export type Doubt = "none" | "odd" | "unconfirmed";

export class ProbeTimes {
  #credit = MAX_CREDIT;
  /** Undefined where there was none. */
  #lastMs: number | undefined;
  /** For whose sake the next one is early. */
  #doubt: Doubt = "none";
  #nextMs = Number.POSITIVE_INFINITY;

  /** Infinity where none is planned. */
  get nextMs(): number {
    return this.#nextMs;
  }

  /**
   * The limit is in use.
   *
   * @param latencyMs how long work takes at present
   */
  plan(nowMs: number, latencyMs: number, doubt: Doubt): void {
    // What was odd is looked into, though it may have passed.
    if (this.#doubt !== "none") return;
    this.#doubt = this.#affordable(this.#lastMs === undefined ? "odd" : doubt);
    this.#nextMs =
      this.#doubt === "none"
        ? nextMultiple(this.#lastMs ?? nowMs, regularStep(latencyMs))
        : nextMultiple(nowMs, earlyStep(latencyMs));
  }

  /** The limit is not in use: the baselines follow by themselves. */
  cancel(): void {
    this.#doubt = "none";
    this.#nextMs = Number.POSITIVE_INFINITY;
  }

  /** The one that was planned begins. */
  begin(nowMs: number, latencyMs: number): { readonly isEarly: boolean; readonly leastMs: number } {
    const doubt = this.#doubt;
    if (doubt === "odd") this.#credit -= 1;
    else if (doubt === "none") this.#credit = Math.min(this.#credit + CREDIT_EACH, MAX_CREDIT);
    this.#lastMs = nowMs;
    this.cancel();
    return { isEarly: doubt !== "none", leastMs: regularStep(latencyMs) * TIME_SHARE };
  }

  /** A second look belongs to the first one, and costs no more. */
  #affordable(doubt: Doubt): Doubt {
    return doubt === "odd" && this.#credit < 1 ? "none" : doubt;
  }
}
