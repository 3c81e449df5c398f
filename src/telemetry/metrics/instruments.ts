/** One series of each kind: what an increment or an observation costs is decided here. */
import type { HistogramPoint, NumberPoint, SeriesAttributes } from "./snapshot.ts";

/** Whether something has happened since the last collection; one for all series of a meter. */
export interface Changes {
  any: boolean;
}

export class CounterSeries {
  readonly #attributes: SeriesAttributes;
  readonly #startMs: number;
  readonly #changes: Changes;
  #value = 0;

  constructor(attributes: SeriesAttributes, startMs: number, changes: Changes) {
    this.#attributes = attributes;
    this.#startMs = startMs;
    this.#changes = changes;
    changes.any = true;
  }

  /** What is no finite number above 0 changes nothing. */
  add(by: number): void {
    if (!(by > 0 && by < Number.POSITIVE_INFINITY)) return;
    this.#value += by;
    this.#changes.any = true;
  }

  point(): NumberPoint {
    return { attributes: this.#attributes, startMs: this.#startMs, value: this.#value };
  }
}

export class HistogramSeries {
  readonly #attributes: SeriesAttributes;
  readonly #startMs: number;
  readonly #changes: Changes;
  readonly #bounds: readonly number[];
  readonly #counts: number[];
  #sum = 0;

  constructor(attributes: SeriesAttributes, startMs: number, changes: Changes, bounds: readonly number[]) {
    this.#attributes = attributes;
    this.#startMs = startMs;
    this.#changes = changes;
    this.#bounds = bounds;
    this.#counts = new Array<number>(bounds.length + 1).fill(0);
    changes.any = true;
  }

  /** In the instrument's unit; what is no finite number from 0 on changes nothing. */
  record(value: number): void {
    if (!(value >= 0 && value < Number.POSITIVE_INFINITY)) return;
    const bounds = this.#bounds;
    let bucket = 0;
    // Most of what is measured is short: a search from the start ends early.
    while (bucket < bounds.length && value > (bounds[bucket] ?? 0)) bucket += 1;
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
    this.#sum += value;
    this.#changes.any = true;
  }

  point(): HistogramPoint {
    // A copy: the snapshot stays what it is.
    const bucketCounts = [...this.#counts];
    const count = bucketCounts.reduce((total, each) => total + each, 0);
    return { attributes: this.#attributes, startMs: this.#startMs, sum: this.#sum, count, bucketCounts };
  }
}

export class GaugeSeries {
  readonly #attributes: SeriesAttributes;
  readonly #startMs: number;
  readonly #changes: Changes;
  /** Undefined where the last collection has not seen it. */
  #value: number | undefined;
  #last: number | undefined;

  constructor(attributes: SeriesAttributes, startMs: number, changes: Changes) {
    this.#attributes = attributes;
    this.#startMs = startMs;
    this.#changes = changes;
  }

  set(value: number): void {
    this.#value = Number.isFinite(value) ? value : undefined;
  }

  forget(): void {
    this.#value = undefined;
  }

  /** Undefined where there is no value; notes whether it is another one than last time. */
  point(): NumberPoint | undefined {
    const value = this.#value;
    if (value !== this.#last) this.#changes.any = true;
    this.#last = value;
    return value === undefined ? undefined : { attributes: this.#attributes, startMs: this.#startMs, value };
  }
}
