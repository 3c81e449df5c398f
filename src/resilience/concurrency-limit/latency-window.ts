/** What has been seen since the limit was last looked at. */
import { Sample } from "./running-mean.ts";

/** Of less than this a latency says more of the process' own scheduling, milliseconds. */
const FINEST_MS = 1;
/** With so many times the fewest samples a window is complete anyway. */
const MOST_SAMPLES = 8;
/** The ratio never lowers the limit by more in one step. */
const LOWEST_STEP = 0.7;
/** Where all work misses its deadline the limit is halved, as TCP's window is at a loss (RFC 5681 §3.1). */
const MISSED_STEP = 0.5;

export class LoadWindow {
  /** Whether somebody found no place. */
  isUsed = false;
  #fromMs = 0;
  #missed = 0;
  #latencyMs = 0;
  #comparableMs = 0;
  #expectedMs = 0;
  readonly #ratios = new Sample();

  /** Begins anew. @param fromMs results before that time do not count */
  restart(fromMs: number): void {
    this.isUsed = false;
    this.#fromMs = fromMs;
    this.#missed = 0;
    this.#latencyMs = 0;
    this.#comparableMs = 0;
    this.#expectedMs = 0;
    this.#ratios.clear();
  }

  answered(nowMs: number, latencyMs: number, baselineMs: number): void {
    if (nowMs < this.#fromMs) return;
    const comparableMs = Math.max(latencyMs, FINEST_MS);
    const expectedMs = Math.max(baselineMs, FINEST_MS);
    this.#latencyMs += latencyMs;
    this.#comparableMs += comparableMs;
    this.#expectedMs += expectedMs;
    this.#ratios.add(comparableMs / expectedMs);
  }

  missed(nowMs: number): void {
    if (nowMs >= this.#fromMs) this.#missed += 1;
  }

  /**
   * Whether it has been long enough, and there is enough in it to say on which side of the tolerance the ratio is:
   * the more latencies differ, the more of them it takes.
   */
  isComplete(nowMs: number, lengthMs: number, minimumSamples: number, tolerance: number): boolean {
    const count = this.#ratios.count + this.#missed;
    if (count < minimumSamples || nowMs - this.#fromMs < lengthMs) return false;
    return (
      !this.isUsed || this.#missed > 0 || count >= minimumSamples * MOST_SAMPLES || this.isOff(tolerance)
    );
  }

  /** The mean, milliseconds; undefined where nothing was answered. */
  get latencyMs(): number | undefined {
    const { count } = this.#ratios;
    return count === 0 ? undefined : this.#latencyMs / count;
  }

  /**
   * Latency over baseline; undefined where nothing was answered. The sums', not the mean of ratios: by Little's law
   * the sum of latencies is what was in flight, that of baselines what would have been with nobody in another's way;
   * so each kind counts for as much as it fills.
   */
  get ratio(): number | undefined {
    return this.#ratios.count === 0 ? undefined : this.#comparableMs / this.#expectedMs;
  }

  /** Whether the ratio is another than this by more than chance. */
  isOff(ratio: number): boolean {
    return Math.abs((this.ratio ?? ratio) - ratio) > this.#ratios.uncertainty;
  }

  /** By what to multiply a limit that was used: it settles where the ratio is the tolerance. */
  step(tolerance: number): number {
    return Math.min(Math.max(tolerance / (this.ratio ?? tolerance), LOWEST_STEP), tolerance);
  }

  /** By what else, whatever the ratio: missed deadlines lower it by their share, as marks do in RFC 8257. */
  get missedStep(): number {
    const all = this.#ratios.count + this.#missed;
    return all === 0 ? 1 : 1 - (MISSED_STEP * this.#missed) / all;
  }
}
