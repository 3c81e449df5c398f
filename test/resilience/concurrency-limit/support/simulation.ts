/** Poisson arrivals at a backend of slots behind one or several limits, in simulated time; deterministic. */
import type { Priority } from "../../../../src/contract/policy.ts";
import {
  ConcurrencyLimit,
  type ConcurrencyLimitOptions,
  type Permit,
} from "../../../../src/resilience/concurrency-limit/concurrency-limit.ts";
import { Agenda } from "./agenda.ts";
import { exponential, seededRandom } from "./random.ts";
import { Slots } from "./slots.ts";

export interface Work {
  readonly kind: string;
  readonly priority: Priority;
  readonly arrivedMs: number;
  /** From arrival; undefined until done. */
  latencyMs: number | undefined;
  isShed: boolean;
}

export interface Setting {
  readonly slots: number;
  /** How long the work occupies its slot, milliseconds. */
  readonly serviceMs: (kind: string, random: () => number) => number;
  /** Kinds and priorities of arrivals, equally likely. @default reads of one kind */
  readonly mix?: readonly Pick<Work, "kind" | "priority">[];
  /** Processes that share the backend, each with its own limit. @default 1 */
  readonly processes?: number;
  /** Work that takes longer from its arrival misses its deadline, though it keeps its slot. @default none */
  readonly deadlineMs?: number;
  /** @default the limit's own */
  readonly options?: ConcurrencyLimitOptions;
  readonly seed?: number;
}

/** Results of one run. */
export interface Outcome {
  readonly arrived: readonly Work[];
  /** Done in this run, whenever it arrived. */
  readonly done: readonly Work[];
  /** Done per second. */
  readonly perS: number;
  /** From arrival, milliseconds. */
  readonly p99Ms: number;
}

const READS = { kind: "read", priority: "read" } as const;
const SWEEP_MS = 20;
const START_MS = 1_000_000;

export class Simulation {
  readonly limits: readonly ConcurrencyLimit[];
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

  /** Continues for this time. */
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

  #createLimit(): ConcurrencyLimit {
    const limit = new ConcurrencyLimit(this.#setting.options ?? {}, { now: () => this.#agenda.nowMs });
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
    const permit = limit?.tryAcquire(work.kind);
    if (permit === undefined) this.#wait(work, limit);
    else this.#begin(work, permit);
  }

  #wait(work: Work, limit: ConcurrencyLimit | undefined): void {
    const shed = (): void => {
      work.isShed = true;
    };
    const admitted = (permit: Permit): void => this.#begin(work, permit);
    if (limit?.enqueue(work.kind, work.priority, { admitted, shed }) === "queue_full") shed();
  }

  #begin(work: Work, permit: Permit): void {
    const { serviceMs, deadlineMs = Number.POSITIVE_INFINITY } = this.#setting;
    this.slots.serve(
      () => serviceMs(work.kind, this.#random),
      () => {
        work.latencyMs = this.#agenda.nowMs - work.arrivedMs;
        if (work.latencyMs > deadlineMs) return permit.release("missed");
        this.#done.push(work);
        permit.release("ok");
      },
    );
  }
}
