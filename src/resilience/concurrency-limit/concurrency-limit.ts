/**
 * An adaptive concurrency limit with a short priority queue, synchronous and without timers.
 *
 * Arrivals after a time without a queue are a burst, not an overload: they may wait longer, in a longer
 * queue. A standing queue is kept short (B. Maurer, "Fail at Scale", ACM Queue 13(8), 2015, after CoDel).
 */
import type { Priority } from "../../contract/policy.ts";
import { type Baseline, GradientLimit } from "./gradient.ts";

/** Highest first. */
export const PRIORITIES: readonly Priority[] = ["write", "read", "background"];

export const SHED_REASONS = [
  /** The queue is full, without requests of a lower priority. */
  "queue_full",
  /** A request of a higher priority took its place in the queue. */
  "displaced",
  "waited_too_long",
] as const;
export type ShedReason = (typeof SHED_REASONS)[number];

export interface Shed {
  readonly priority: Priority;
  readonly reason: ShedReason;
  readonly atMs: number;
}

export interface ConcurrencyLimitDependencies {
  /** Milliseconds of a monotonic clock; processes that share a backend share the clock too. */
  readonly now: () => number;
  /** Called synchronously for every request that is shed. */
  readonly onShed?: (shed: Shed) => void;
}

/** `missed`: the deadline passed first. `ignored`: no evidence about the load, as when the client left. */
export type WorkOutcome = "ok" | "missed" | "ignored";

export interface Permit {
  /** Ends the work. Only the first call counts. */
  release(outcome: WorkOutcome): void;
}

/** One of the two is called once, after `enqueue` has returned. */
export interface QueueListener {
  admitted(permit: Permit): void;
  shed(reason: ShedReason): void;
}

export interface Waiting {
  /** Leaves the queue, without a call of the listener. */
  leave(): void;
}

export interface LimitGauges {
  /** Maximum in flight; halved while the baselines are measured. */
  readonly limit: number;
  readonly inFlight: number;
  readonly queued: number;
}

export const DEFAULTS = {
  /** Lower bound of the limit; a probe still halves it, unless it is the upper bound, too. */
  minLimit: 1,
  maxLimit: 1_000,
  /** The limit before anything is measured. */
  initialLimit: 10,
  /** Target ratio of latency to baseline; above 1. */
  tolerance: 1.4,
  /** Queue length for writes as a share of the limit; reads may fill 60 % of it, background work 30 %. */
  queueRatio: 0.8,
  /** Minimum queue length for writes, with the same shares. */
  minQueue: 8,
  /** Requests wait no longer than the work takes, and never longer than this. */
  maxWaitMs: 1_000,
  /** Arrivals after this long without a queue are a burst, and may wait this long. */
  burstMs: 1_000,
  /** Queue length for the writes of a burst, with the same shares. */
  burstQueue: 1_000,
  /** Minimum time between adjustments of the limit. */
  windowMs: 100,
  /** Minimum number of results for an adjustment. */
  minimumSamples: 10,
};

export type ConcurrencyLimitSettings = Readonly<typeof DEFAULTS>;
export type ConcurrencyLimitOptions = Partial<ConcurrencyLimitSettings>;

/** Minimum queue timeout; covers event-loop pauses. */
const MIN_WAIT_MS = 50;
/** How much of the queue each priority may fill. */
const QUEUE_SHARES: Readonly<Record<Priority, number>> = { write: 1, read: 0.6, background: 0.3 };

interface QueuedRequest {
  readonly baseline: Baseline;
  readonly listener: QueueListener;
  readonly priority: Priority;
  readonly sinceMs: number;
}

export class ConcurrencyLimit implements LimitGauges {
  readonly #settings: ConcurrencyLimitSettings;
  readonly #now: () => number;
  readonly #onShed: ((shed: Shed) => void) | undefined;
  readonly #gradient: GradientLimit;
  /** Oldest first. */
  readonly #queues: Readonly<Record<Priority, QueuedRequest[]>> = { write: [], read: [], background: [] };
  inFlight = 0;
  #isAdmitting = false;
  #lastQueuedMs = Number.NEGATIVE_INFINITY;
  #burstUntilMs = Number.NEGATIVE_INFINITY;

  /** @param options are not validated */
  constructor(options: ConcurrencyLimitOptions, { now, onShed }: ConcurrencyLimitDependencies) {
    this.#settings = { ...DEFAULTS, ...options };
    this.#now = now;
    this.#onShed = onShed;
    this.#gradient = new GradientLimit(this.#settings, now());
  }

  get limit(): number {
    return this.#gradient.permits;
  }

  get queued(): number {
    const { write, read, background } = this.#queues;
    return write.length + read.length + background.length;
  }

  /** @param kind from a closed set of names, each for work of similar duration */
  tryAcquire(kind: string): Permit | undefined {
    if (this.inFlight >= this.#gradient.permits) return undefined;
    return this.#acquire(this.#gradient.baselineOf(kind), this.#now());
  }

  /** Queues a request that has no permit. @returns "queue_full" if it is shed at once */
  enqueue(kind: string, priority: Priority, listener: QueueListener): Waiting | "queue_full" {
    const nowMs = this.#now();
    this.#gradient.markFull();
    this.#markQueued(nowMs);
    this.#shedLate(nowMs);
    if (this.queued >= this.#maxQueued(priority, nowMs)) {
      const displaced = this.#newestBelow(priority);
      if (displaced === undefined) {
        this.#onShed?.({ priority, reason: "queue_full", atMs: nowMs });
        return "queue_full";
      }
      this.#shed(displaced, "displaced", nowMs);
    }
    const request = { baseline: this.#gradient.baselineOf(kind), listener, priority, sinceMs: nowMs };
    this.#queues[priority].push(request);
    return { leave: () => this.#remove(request) };
  }

  /** Sheds requests that have waited too long. Must be called regularly while requests are queued. */
  sweep(): void {
    this.#settle(this.#now());
  }

  #acquire(baseline: Baseline, startedMs: number): Permit {
    this.inFlight += 1;
    const isSample = this.#gradient.isSample(this.inFlight, startedMs);
    let isReleased = false;
    return {
      release: (outcome) => {
        if (isReleased) return;
        isReleased = true;
        const nowMs = this.#now();
        this.inFlight -= 1;
        if (outcome === "ok") this.#gradient.ok(nowMs, nowMs - startedMs, baseline, isSample);
        else if (outcome === "missed") this.#gradient.missed(nowMs);
        this.#settle(nowMs);
      },
    };
  }

  #settle(nowMs: number): void {
    this.#gradient.update(nowMs);
    // A listener may release its permit at once; the running loop already sees that.
    if (this.#isAdmitting || this.queued === 0) return;
    this.#lastQueuedMs = nowMs;
    this.#isAdmitting = true;
    try {
      this.#shedLate(nowMs);
      this.#admit(nowMs);
    } finally {
      this.#isAdmitting = false;
    }
  }

  #admit(nowMs: number): void {
    while (this.inFlight < this.#gradient.permits) {
      const { write, read, background } = this.#queues;
      const first = write[0] ?? read[0] ?? background[0];
      if (first === undefined) return;
      this.#remove(first);
      first.listener.admitted(this.#acquire(first.baseline, nowMs));
    }
  }

  /** Has no effect on a request that has left its queue. */
  #remove(request: QueuedRequest): void {
    const queue = this.#queues[request.priority];
    const at = queue.indexOf(request);
    if (at >= 0) queue.splice(at, 1);
  }

  /** The newest request of the lowest priority below the given one. */
  #newestBelow(priority: Priority): QueuedRequest | undefined {
    const { background, read } = this.#queues;
    if (priority === "background") return undefined;
    return background.at(-1) ?? (priority === "write" ? read.at(-1) : undefined);
  }

  #markQueued(nowMs: number): void {
    const { burstMs } = this.#settings;
    const isBurst = this.queued === 0 && nowMs - this.#lastQueuedMs >= burstMs;
    if (isBurst) this.#burstUntilMs = nowMs + burstMs;
    this.#lastQueuedMs = nowMs;
  }

  /** Outside bursts, requests wait no longer than the work takes. */
  #shedLate(nowMs: number): void {
    if (nowMs < this.#burstUntilMs) return;
    const maxWaitMs = Math.min(Math.max(this.#gradient.latencyMs, MIN_WAIT_MS), this.#settings.maxWaitMs);
    for (const queue of Object.values(this.#queues)) {
      for (let [oldest] = queue; oldest && oldest.sinceMs <= nowMs - maxWaitMs; [oldest] = queue)
        this.#shed(oldest, "waited_too_long", nowMs);
    }
  }

  #shed(request: QueuedRequest, reason: ShedReason, atMs: number): void {
    this.#remove(request);
    this.#onShed?.({ priority: request.priority, reason, atMs });
    request.listener.shed(reason);
  }

  #maxQueued(priority: Priority, nowMs: number): number {
    const { minQueue, queueRatio, burstQueue } = this.#settings;
    const standing = Math.max(minQueue, this.#gradient.limit * queueRatio);
    const writes = nowMs < this.#burstUntilMs ? Math.max(burstQueue, standing) : standing;
    return Math.ceil(writes * QUEUE_SHARES[priority]);
  }
}
