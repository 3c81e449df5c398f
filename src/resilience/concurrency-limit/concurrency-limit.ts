/**
 * A limit on how much work is under way at once, which finds out by itself how high it has to be, and a short queue
 * before it. It decides synchronously, keeps no timer and no promise, and every step is O(1): the clock is passed in.
 *
 * A burst is no overload: what comes all at once where nobody had to wait before may wait longer, and in a longer queue;
 * a queue that goes on standing is kept short (as in "Fail at Scale", B. Maurer, ACM Queue 13(8), 2015, after CoDel).
 */
import type { Priority } from "../../contract/policy.ts";
import type { Baseline } from "./baselines.ts";
import { type Lesson, LimitControl } from "./gradient.ts";
import { type OverloadOptions, type OverloadSettings, overloadSettings } from "./options.ts";
import { type Standing, WaitingLine } from "./priority-queue.ts";
import type { Shed, ShedReason } from "./shed.ts";

export interface LimitDependencies {
  /** Milliseconds of a clock that is never set back; the same clock for processes that share a backend. */
  readonly now: () => number;
  /** Told of all work that is not begun, synchronously; what it throws is the caller's. */
  readonly onShed?: (shed: Shed) => void;
}

/** Leave to do one piece of work. The first end that it is told counts, and only that. */
export interface Place {
  /** The work was done, whatever came of it: how long it took is a sample. */
  answered(): void;
  /** Its deadline passed first. */
  missed(): void;
  /** Its end says nothing: its caller went away, or it failed at once. */
  ignore(): void;
}

/** Told once, by one of the two. */
export interface WaitListener {
  admitted(place: Place): void;
  shed(reason: ShedReason): void;
}

/** Somebody who waits. */
export interface Waiter {
  readonly isWaiting: true;
  /** It waits no more, and is told nothing. */
  leave(): void;
}

/** Work that is shed without having waited. */
export interface Refused {
  readonly isWaiting: false;
  readonly reason: ShedReason;
}

/** What there is to see of it from outside. */
export interface LimitGauges {
  /** So much may be under way at once; half of the usual while the baselines are checked. */
  readonly limit: number;
  readonly inFlight: number;
  readonly queued: number;
}

export interface OverloadLimit extends LimitGauges {
  /**
   * A place at once, or none. Who gets one has to tell it how the work ended.
   *
   * @param kind of work that takes about equally long: a closed set of names
   */
  tryEnter(kind: string): Place | undefined;
  /** For whom there is no place: waits for one, or is shed at once. The listener is told later, never within it. */
  wait(kind: string, priority: Priority, listener: WaitListener): Waiter | Refused;
  /** Sheds who has waited too long. To be called now and then while somebody waits. */
  sweep(): void;
}

/** Who has waited less than this never has to go, however short the work is: a process may stand still as long. */
const LEAST_WAIT_MS = 50;
/** How much of the room each priority may fill: reads leave some of it to writes. */
const ROOM_SHARES: Readonly<Record<Priority, number>> = { write: 1, read: 0.6, background: 0.3 };
/** What all are told for whom there is no room. */
const QUEUE_FULL: Refused = { isWaiting: false, reason: "queue_full" };

interface Asking {
  readonly baseline: Baseline;
  readonly listener: WaitListener;
}

class LimitCore implements OverloadLimit {
  readonly #settings: OverloadSettings;
  readonly #now: () => number;
  readonly #onShed: ((shed: Shed) => void) | undefined;
  readonly #control: LimitControl;
  readonly #line = new WaitingLine<Asking>();
  #inFlight = 0;
  #isAdmitting = false;
  /** When somebody had to wait last, and until when those who do belong to a burst. */
  #waitedAtMs = Number.NEGATIVE_INFINITY;
  #burstUntilMs = Number.NEGATIVE_INFINITY;

  constructor(settings: OverloadSettings, { now, onShed }: LimitDependencies) {
    this.#settings = settings;
    this.#now = now;
    this.#onShed = onShed;
    this.#control = new LimitControl(settings, now());
  }

  get limit(): number {
    return this.#control.places;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  get queued(): number {
    return this.#line.length;
  }

  tryEnter(kind: string): Place | undefined {
    if (this.#inFlight >= this.#control.places) return undefined;
    return this.#enter(this.#control.baselineOf(kind), this.#now());
  }

  wait(kind: string, priority: Priority, listener: WaitListener): Waiter | Refused {
    const nowMs = this.#now();
    this.#control.used();
    this.#noteWait(nowMs);
    this.#shedLate(nowMs);
    if (this.#line.length >= this.#room(priority, nowMs)) {
      const displaced = this.#line.lastBelow(priority);
      if (displaced === undefined) {
        this.#onShed?.({ priority, reason: "queue_full", atMs: nowMs });
        return QUEUE_FULL;
      }
      this.#shed(displaced, "displaced", nowMs);
    }
    const asking = { baseline: this.#control.baselineOf(kind), listener };
    const standing = this.#line.join(asking, priority, nowMs);
    return { isWaiting: true, leave: () => void this.#line.leave(standing) };
  }

  sweep(): void {
    this.#settle(this.#now());
  }

  answered(startedMs: number, baseline: Baseline, lesson: Lesson): void {
    const nowMs = this.#now();
    this.#inFlight -= 1;
    this.#control.answered(nowMs, Math.max(0, nowMs - startedMs), baseline, lesson);
    this.#settle(nowMs);
  }

  missed(): void {
    const nowMs = this.#now();
    this.#inFlight -= 1;
    this.#control.missed(nowMs);
    this.#settle(nowMs);
  }

  ignored(): void {
    this.#inFlight -= 1;
    this.#settle(this.#now());
  }

  #enter(baseline: Baseline, nowMs: number): Place {
    this.#inFlight += 1;
    return new WorkPlace(this, nowMs, baseline, this.#control.lessonOf(this.#inFlight, nowMs));
  }

  #settle(nowMs: number): void {
    this.#control.adapt(nowMs);
    // Whoever is told may end work at once; the loop that runs already sees the place that comes free.
    if (this.#isAdmitting || this.#line.length === 0) return;
    this.#waitedAtMs = nowMs;
    this.#isAdmitting = true;
    try {
      this.#shedLate(nowMs);
      this.#admit(nowMs);
    } finally {
      this.#isAdmitting = false;
    }
  }

  /** Gives the free places to those whose turn it is. */
  #admit(nowMs: number): void {
    while (this.#inFlight < this.#control.places) {
      const first = this.#line.first;
      if (first === undefined) return;
      this.#line.leave(first);
      first.who.listener.admitted(this.#enter(first.who.baseline, nowMs));
    }
  }

  /** A burst begins with the first to wait after a time in which nobody had to. */
  #noteWait(nowMs: number): void {
    const { burstMs } = this.#settings;
    if (this.#line.length === 0 && nowMs - this.#waitedAtMs >= burstMs) this.#burstUntilMs = nowMs + burstMs;
    this.#waitedAtMs = nowMs;
  }

  /** Nobody waits longer than work takes, or than the burst lasts. */
  #shedLate(nowMs: number): void {
    if (nowMs < this.#burstUntilMs) return;
    const waitMs = Math.min(Math.max(this.#control.latencyMs, LEAST_WAIT_MS), this.#settings.maxWaitMs);
    for (;;) {
      const late = this.#line.since(nowMs - waitMs);
      if (late === undefined) return;
      this.#shed(late, "waited_too_long", nowMs);
    }
  }

  #shed(standing: Standing<Asking>, reason: ShedReason, atMs: number): void {
    this.#line.leave(standing);
    this.#onShed?.({ priority: standing.priority, reason, atMs });
    standing.who.listener.shed(reason);
  }

  /** How many may wait where another one of this priority comes. */
  #room(priority: Priority, nowMs: number): number {
    const { minQueue, queueRatio, burstQueue } = this.#settings;
    const standing = Math.max(minQueue, this.#control.limit * queueRatio);
    const writes = nowMs < this.#burstUntilMs ? Math.max(burstQueue, standing) : standing;
    return Math.ceil(writes * ROOM_SHARES[priority]);
  }
}

/** Small, because there is one for every piece of work. */
class WorkPlace implements Place {
  readonly #startedMs: number;
  readonly #baseline: Baseline;
  readonly #lesson: Lesson;
  /** Undefined once the work has ended. */
  #limit: LimitCore | undefined;

  constructor(limit: LimitCore, startedMs: number, baseline: Baseline, lesson: Lesson) {
    this.#limit = limit;
    this.#startedMs = startedMs;
    this.#baseline = baseline;
    this.#lesson = lesson;
  }

  answered(): void {
    const limit = this.#limit;
    this.#limit = undefined;
    limit?.answered(this.#startedMs, this.#baseline, this.#lesson);
  }

  missed(): void {
    const limit = this.#limit;
    this.#limit = undefined;
    limit?.missed();
  }

  ignore(): void {
    const limit = this.#limit;
    this.#limit = undefined;
    limit?.ignored();
  }
}

/** @throws RangeError for options that make no sense */
export const createOverloadLimit = (
  options: OverloadOptions,
  dependencies: LimitDependencies,
): OverloadLimit => new LimitCore(overloadSettings(options), dependencies);
