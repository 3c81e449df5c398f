/**
 * How long each kind of work takes where there is little of it: a mean that follows. Of work that was begun while
 * much else was under way nothing is learned, so that a long overload does not become the baseline.
 */
import { Sample } from "./running-mean.ts";

/** One kind's. */
export interface Baseline {
  /** Milliseconds. */
  latencyMs: number;
  /** How many samples the mean is worth; 0 where there was none of use. */
  weight: number;
  /** What it was when the last check began; 0 where nothing was known. */
  checkedMs: number;
}

/** What a mean is worth that is about to be checked: regularly, where it seems to be wrong, where it was found to be. */
const CHECKED_WEIGHT = 16;
const DOUBTED_WEIGHT = 4;
const REFUTED_WEIGHT = 1;
/** While nothing is checked a mean is worth so much at most, so that it follows. */
const FOLLOWING_WEIGHT = 64;
/** A check needs so many samples at least and at most; between them, as many as make it so sure. */
const LEAST_CHECKS = 4;
const MOST_CHECKS = 32;
const SURE_ENOUGH = 0.2;
/** A check that finds less than this difference has found none. */
const LEAST_DIFFERENCE = 0.15;
/** Kinds beyond so many share one baseline. */
const MAX_KINDS = 256;

const nothingKnown = (): Baseline => ({ latencyMs: 0, weight: 0, checkedMs: 0 });

const beginCheck = (baseline: Baseline, weight: number): void => {
  baseline.weight = Math.min(baseline.weight, weight);
  baseline.checkedMs = baseline.weight === 0 ? 0 : baseline.latencyMs;
};

const takeBack = (baseline: Baseline): void => {
  if (baseline.checkedMs > 0) baseline.latencyMs = baseline.checkedMs;
};

const learn = (baseline: Baseline, latencyMs: number, mostWeight: number): void => {
  baseline.weight = Math.min(baseline.weight + 1, mostWeight);
  baseline.latencyMs += (latencyMs - baseline.latencyMs) / baseline.weight;
};

/** Takes a sample of work that had little beside it. */
export const follow = (baseline: Baseline, latencyMs: number): void =>
  learn(baseline, latencyMs, FOLLOWING_WEIGHT);

/**
 * What a kind of which nothing is known yet is taken to need: as much less than it took as all others would.
 *
 * @param ratio the others' latency over their baseline
 */
export const guess = (baseline: Baseline, latencyMs: number, ratio: number): void => {
  if (baseline.weight === 0) baseline.latencyMs = latencyMs / Math.max(1, ratio);
};

/** What a check says of the baselines. */
export type Finding =
  /** They were right but for what may be chance. */
  | "right"
  /** They were wrong, and are less so now. */
  | "corrected"
  /**
   * Work takes longer than was thought. That has to be found twice in a row: while a process stands still, all of it
   * does. Until then they are what they were.
   */
  | "unconfirmed";

export class Baselines {
  readonly #kinds = new Map<string, Baseline>();
  readonly #others = nothingKnown();
  /** What was found since the last check began, over what was thought before. */
  readonly #found = new Sample();
  #isChecking = false;
  /** The last check has found them too low. */
  #wereTooLow = false;

  of(kind: string): Baseline {
    return this.#kinds.get(kind) ?? this.#add(kind);
  }

  /** How many are kept. */
  get size(): number {
    return this.#kinds.size;
  }

  /** From now on work is begun that checks them. @param isDoubted they seem to be wrong: what is found counts for more */
  beginCheck(isDoubted: boolean): void {
    const weight = this.#wereTooLow ? REFUTED_WEIGHT : isDoubted ? DOUBTED_WEIGHT : CHECKED_WEIGHT;
    for (const each of this.#kinds.values()) beginCheck(each, weight);
    beginCheck(this.#others, weight);
    this.#found.clear();
    this.#isChecking = true;
  }

  /**
   * Takes a sample of work that was begun for the check. They count alike, however many there are: of work that is
   * begun together the longest ends last, and were the last samples to count for more, it would.
   */
  check(baseline: Baseline, latencyMs: number): void {
    if (!this.#isChecking) return;
    learn(baseline, latencyMs, Number.POSITIVE_INFINITY);
    if (baseline.checkedMs > 0) this.#found.add(latencyMs / baseline.checkedMs);
  }

  /** Whether enough was found: the more latencies differ, the more it takes. */
  get isChecked(): boolean {
    const { count, uncertainty } = this.#found;
    return count >= MOST_CHECKS || (count >= LEAST_CHECKS && uncertainty < SURE_ENOUGH);
  }

  /** Until the check is concluded. */
  get isChecking(): boolean {
    return this.#isChecking;
  }

  /** Ends the check. */
  conclude(): Finding {
    this.#isChecking = false;
    const difference = this.#found.mean(1) - 1;
    const areWrong = Math.abs(difference) > Math.max(LEAST_DIFFERENCE, this.#found.uncertainty);
    const areTooLow = areWrong && difference > 0;
    const isConfirmed = !areTooLow || this.#wereTooLow;
    this.#wereTooLow = areTooLow;
    if (isConfirmed) return areWrong ? "corrected" : "right";
    this.#takeBack();
    return "unconfirmed";
  }

  #takeBack(): void {
    for (const each of this.#kinds.values()) takeBack(each);
    takeBack(this.#others);
  }

  #add(kind: string): Baseline {
    if (this.#kinds.size >= MAX_KINDS) return this.#others;
    const baseline = nothingKnown();
    this.#kinds.set(kind, baseline);
    return baseline;
  }
}
