/**
 * How high the limit is. It knows nothing of the capacity: it compares how long work takes with how long it takes
 * where there is little of it, and leads the limit to where that ratio is the tolerance. By Little's law the limit is
 * then `tolerance` times what keeps every slot of the backend busy, and hardly anybody waits behind it.
 *
 * Sources: the gradient limits of https://github.com/Netflix/concurrency-limits, whose long-term latency drifts up
 * under a long overload; TCP Vegas (Brakmo, O'Malley, Peterson 1994), whose baseline is a minimum and stays where
 * the way has become longer. So here the baseline is the mean of work that had little beside it; while the limit is
 * in use there is none such, and it is halved for some latencies now and then, as by BBR's ProbeRTT.
 */
import { type Baseline, Baselines, follow, guess } from "./baselines.ts";
import { LoadWindow } from "./latency-window.ts";
import type { OverloadSettings } from "./options.ts";
import { ProbeTimes } from "./probe-schedule.ts";

/** What is learned of a piece of work's baseline once it is done. */
export type Lesson = "check" | "follow" | "none";

/** The baselines are in doubt where the ratio is above or below this part of the tolerance. */
const ODD_ABOVE = 1.3;
const ODD_BELOW = 0.6;
/** Between two probes latencies lower the limit to this share at most: it is the baselines that may be wrong. */
const UNPROBED_SHARE = 0.5;
/** A probe is given up after so many latencies more than it takes at least, and so many milliseconds. */
const PROBE_LATENCIES = 8;
const PROBE_MS = 50;

interface Probe {
  /** What is under way at its beginning has made others wait: work begun before this time does not check. */
  readonly checkFromMs: number;
  readonly fromMs: number;
  readonly untilMs: number;
}

export class LimitControl {
  readonly #settings: OverloadSettings;
  readonly #baselines = new Baselines();
  readonly #window = new LoadWindow();
  readonly #probeTimes = new ProbeTimes();
  #probe: Probe | undefined;
  /** Not whole, so that small steps add up. */
  #limit: number;
  /** What it was when the last probe began. */
  #probedLimit: number;
  #places: number;
  /** Work that is begun with no more under way, itself included, has little beside it. */
  #few: number;
  /** Of the last window. */
  #latencyMs = 0;
  #ratio = 1;

  constructor(settings: OverloadSettings, nowMs: number) {
    const { initialLimit } = settings;
    this.#settings = settings;
    this.#limit = initialLimit;
    this.#probedLimit = initialLimit;
    this.#places = initialLimit;
    this.#few = halfOf(initialLimit);
    this.#window.restart(nowMs);
  }

  /** So much may be under way: the limit as a whole number, or half of it while the baselines are checked. */
  get places(): number {
    return this.#places;
  }

  get limit(): number {
    return this.#limit;
  }

  /** How long work takes at present, milliseconds. */
  get latencyMs(): number {
    return this.#latencyMs;
  }

  baselineOf(kind: string): Baseline {
    return this.#baselines.of(kind);
  }

  /** @param inFlight with what is begun now */
  lessonOf(inFlight: number, nowMs: number): Lesson {
    if (inFlight > this.#few) return "none";
    if (this.#probe === undefined) return "follow";
    return nowMs < this.#probe.checkFromMs ? "none" : "check";
  }

  /** Somebody found no place. */
  used(): void {
    this.#window.isUsed = true;
  }

  answered(nowMs: number, latencyMs: number, baseline: Baseline, lesson: Lesson): void {
    if (lesson === "check") this.#baselines.check(baseline, latencyMs);
    else if (lesson === "follow") follow(baseline, latencyMs);
    else guess(baseline, latencyMs, this.#ratio);
    this.#window.answered(nowMs, latencyMs, baseline.latencyMs);
  }

  missed(nowMs: number): void {
    this.#window.missed(nowMs);
  }

  /** Looks at the limit where it is time to. */
  adapt(nowMs: number): void {
    const { windowMs, minimumSamples, tolerance } = this.#settings;
    if (this.#probe !== undefined) this.#endProbeInTime(this.#probe, nowMs);
    else if (nowMs >= this.#probeTimes.nextMs) this.#beginProbe(nowMs);
    else if (this.#window.isComplete(nowMs, Math.max(windowMs, this.#latencyMs), minimumSamples, tolerance)) {
      this.#endWindow(nowMs);
    }
  }

  #endWindow(nowMs: number): void {
    const window = this.#window;
    // What was begun for a check has ended by now, the longest too.
    const finding = this.#baselines.isChecking ? this.#baselines.conclude() : "right";
    this.#latencyMs = window.latencyMs ?? this.#latencyMs;
    if (!window.isUsed) {
      this.#probeTimes.cancel();
      window.restart(nowMs);
      return;
    }
    // Where baselines were taken back the window was measured by others.
    if (finding === "unconfirmed") this.#probeTimes.plan(nowMs, this.#latencyMs, "unconfirmed");
    else {
      const isOdd = this.#step() || finding === "corrected";
      this.#probeTimes.plan(nowMs, this.#latencyMs, isOdd ? "odd" : "none");
    }
    // What was begun under the old limit tells nothing of the new one.
    window.restart(nowMs + this.#latencyMs);
  }

  /** @returns whether the baselines seem to be wrong */
  #step(): boolean {
    const { tolerance, minLimit, maxLimit } = this.#settings;
    this.#ratio = this.#window.ratio ?? this.#ratio;
    const wanted = this.#limit * this.#window.step(tolerance);
    const lowest = Math.min(this.#limit, this.#probedLimit * UNPROBED_SHARE);
    const next = Math.max(wanted, lowest) * this.#window.missedStep;
    this.#limit = Math.min(Math.max(next, minLimit), maxLimit);
    this.#putInForce();
    const isFar = this.#ratio > ODD_ABOVE * tolerance || this.#ratio < ODD_BELOW * tolerance;
    return (isFar && this.#window.isOff(tolerance)) || wanted < lowest;
  }

  #beginProbe(nowMs: number): void {
    const { isEarly, leastMs } = this.#probeTimes.begin(nowMs, this.#latencyMs);
    const fromMs = nowMs + leastMs;
    this.#probe = {
      checkFromMs: nowMs + this.#latencyMs,
      fromMs,
      untilMs: fromMs + Math.max(PROBE_MS, PROBE_LATENCIES * this.#latencyMs),
    };
    this.#baselines.beginCheck(isEarly);
    this.#probedLimit = this.#limit;
    this.#places = this.#few;
  }

  #endProbeInTime({ fromMs, untilMs }: Probe, nowMs: number): void {
    if (nowMs < fromMs || (nowMs < untilMs && !this.#baselines.isChecked)) return;
    this.#probe = undefined;
    this.#putInForce();
    this.#window.restart(nowMs + this.#latencyMs);
  }

  #putInForce(): void {
    this.#places = Math.round(this.#limit);
    this.#few = halfOf(this.#places);
  }
}

const halfOf = (limit: number): number => Math.max(1, Math.floor(limit / 2));
