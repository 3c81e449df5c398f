/** Poisson arrivals at a backend of slots, behind one limit or several: deterministic, and without waiting. */
import type { Priority } from "../../../../src/contract/policy.ts";
import {
  createOverloadLimit,
  type OverloadLimit,
  type Place,
} from "../../../../src/resilience/concurrency-limit/concurrency-limit.ts";
import type { OverloadOptions } from "../../../../src/resilience/concurrency-limit/options.ts";
import { Agenda } from "./agenda.ts";
import { exponential, seededRandom } from "./random.ts";
import { Slots } from "./slots.ts";

export interface Work {
  readonly kind: string;
  readonly priority: Priority;
  readonly arrivedMs: number;
  /** From its arrival; undefined while it is not done. */
  latencyMs: number | undefined;
  isShed: boolean;
}

export interface Setting {
  readonly slots: number;
  /** How long a piece of work keeps its slot, milliseconds. */
  readonly serviceMs: (kind: string, random: () => number) => number;
  /** Of which kinds and priorities the arrivals are, each as often as it is in the list. @default reads of one kind */
  readonly mix?: readonly Pick<Work, "kind" | "priority">[];
  /** Processes that share the backend, each with a limit of its own. @default 1 */
  readonly processes?: number;
  /** What takes longer from its arrival has missed its deadline, though its slot stays taken. @default never */
  readonly deadlineMs?: number;
  /** @default the limit's own */
  readonly options?: OverloadOptions;
  readonly seed?: number;
}

/** What happened in a part of the time. */
export interface Outcome {
  readonly arrived: readonly Work[];
  /** Done within it, whenever it arrived. */
  readonly done: readonly Work[];
  /** Done in a second. */
  readonly perS: number;
  /** Of what was done, from its arrival, milliseconds. */
  readonly p99Ms: number;
}

const READS = { kind: "read", priority: "read" } as const;
const SWEEP_MS = 20;
const START_MS = 1_000_000;

export class Simulation {
  readonly limits: readonly OverloadLimit[];
  readonly slots: Slots;
  readonly #setting: Setting;
  readonly #agenda = new Agenda(START_MS);
  readonly #random: () => number;
  #arrivalsPerS = 0;
  #arrived: Work[] = [];
  #done: Work[] = [];

  constructor(setting: Setting) {
    const { processes = 1, seed = 1 } = setting;
    this.#setting = setting;
    this.#random = seededRandom(seed);
    this.slots = new Slots(setting.slots, this.#agenda);
    this.limits = Array.from({ length: processes }, () => this.#createLimit());
  }

  /** Goes on for so long. */
  run(arrivalsPerS: number, forMs: number): Outcome {
    if (this.#arrivalsPerS === 0) this.#arriveLater(arrivalsPerS);
    this.#arrivalsPerS = arrivalsPerS;
    this.#arrived = [];
    this.#done = [];
    this.#agenda.runUntil(this.#agenda.nowMs + forMs);
    const latencies = Float64Array.from(this.#done, (each) => each.latencyMs ?? 0).sort();
    return {
      arrived: this.#arrived,
      done: this.#done,
      perS: (this.#done.length / forMs) * 1000,
      p99Ms: latencies[Math.ceil(0.99 * latencies.length) - 1] ?? 0,
    };
  }

  #createLimit(): OverloadLimit {
    const limit = createOverloadLimit(this.#setting.options ?? {}, { now: () => this.#agenda.nowMs });
    const sweep = (): void => {
      if (limit.queued > 0) limit.sweep();
      this.#agenda.after(SWEEP_MS, sweep);
    };
    sweep();
    return limit;
  }

  #arriveLater(perS: number): void {
    this.#agenda.after((exponential(this.#random) * 1000) / perS, () => {
      this.#arriveLater(this.#arrivalsPerS);
      this.#arrive();
    });
  }

  #arrive(): void {
    const { mix = [READS] } = this.#setting;
    const what = mix[Math.floor(this.#random() * mix.length)] ?? READS;
    const work: Work = { ...what, arrivedMs: this.#agenda.nowMs, latencyMs: undefined, isShed: false };
    const limit = this.limits[this.#arrived.length % this.limits.length];
    this.#arrived.push(work);
    const place = limit?.tryEnter(work.kind);
    if (place === undefined) this.#wait(work, limit);
    else this.#begin(work, place);
  }

  #wait(work: Work, limit: OverloadLimit | undefined): void {
    const shed = (): void => {
      work.isShed = true;
    };
    const admitted = (place: Place): void => this.#begin(work, place);
    if (limit?.wait(work.kind, work.priority, { admitted, shed }).isWaiting === false) shed();
  }

  #begin(work: Work, place: Place): void {
    const { serviceMs, deadlineMs = Number.POSITIVE_INFINITY } = this.#setting;
    this.slots.serve(
      () => serviceMs(work.kind, this.#random),
      () => {
        work.latencyMs = this.#agenda.nowMs - work.arrivedMs;
        if (work.latencyMs > deadlineMs) return place.missed();
        this.#done.push(work);
        place.answered();
      },
    );
  }
}
