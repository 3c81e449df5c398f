/**
 * Gathers security events where they happen: equal ones within a window become few, whose counts add up. Pure: it
 * knows no timer, and whoever owns it takes what is due and says whether it arrived.
 *
 * The first of equal occurrences is due at once. Those after it are summed up, and due when the sum of the window
 * reaches 10, 100, 1,000, … or when the window ends: so n of them become at most log10(n) + 2 events a window. What
 * finds no room is counted; so nothing is lost that is not told.
 */

import {
  bounded,
  type Counts,
  EVENT_TYPES,
  type EventType,
  equalityKey,
  type Occurrence,
  type SecurityEvent,
} from "./event.ts";
import { type BoundedQueue, createBoundedQueue } from "./ring-buffer.ts";

export interface Batch {
  readonly events: readonly SecurityEvent[];
  /** Occurrences that were dropped, and that no batch before has told. */
  readonly dropped: Counts;
}

export interface GathererOptions {
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** A UUID. */
  readonly newId: () => string;
  /** @default 10,000 */
  readonly windowMs?: number;
  /** Windows that are open at a time; with one more the oldest ends before its time. @default 1,000 */
  readonly maxOpen?: number;
  /** Events that are due and not taken; with one more the oldest is dropped. @default 1,000 */
  readonly maxWaiting?: number;
  /** Takes what is dropped at once. @default it is told with the next batch */
  readonly onDropped?: (type: EventType, count: number) => void;
}

export interface Gatherer {
  add(occurrence: Occurrence): void;
  /**
   * When there may be something to take, epoch milliseconds: never later than there is, at times a little earlier;
   * undefined while there is nothing.
   */
  nextDueAtMs(): number | undefined;
  /**
   * What is due, at most so many events, and under way from now on. Undefined where nothing is due, or where as many
   * batches are under way as may be.
   */
  take(most: number): Batch | undefined;
  /** Ends a batch's being under way: where it has not arrived, it is taken again. A second time changes nothing. */
  settle(batch: Batch, hasArrived: boolean): void;
  /** Ends every window, so that all there is is due. */
  close(): void;
}

/** Batches under way at a time. */
const MAX_UNDER_WAY = 4;
/** What takes longer is taken for lost, and taken again: whoever had it may have been ended. */
const SETTLE_WITHIN_MS = 60_000;
/** The sums at which what has gathered is due: powers of it. */
const STEP = 10;

interface Window {
  readonly key: string;
  readonly endsAtMs: number;
  /** Occurrences so far. */
  sum: number;
  /** The sum at which they are due. */
  dueAt: number;
  /** What has not become due. */
  open: { readonly first: Occurrence; lastAtMs: number; count: number } | undefined;
}

type Tally = Partial<Record<EventType, number>>;

const addTo = (tally: Tally, type: EventType, count: number): void => {
  tally[type] = (tally[type] ?? 0) + count;
};

/** @throws RangeError where a bound is no whole number above 0 */
export const createGatherer = (options: GathererOptions): Gatherer => {
  const { newId, windowMs = 10_000, maxOpen = 1_000, maxWaiting = 1_000, onDropped } = options;
  const windows = new Map<string, Window>();
  /** In the order of their ends. */
  const order: BoundedQueue<Window> = createBoundedQueue(maxOpen);
  const waiting: BoundedQueue<SecurityEvent> = createBoundedQueue(maxWaiting);
  const underWay = new Map<Batch, number>();
  let dropped: Tally = {};
  let isAnyDropped = false;
  /** Windows in which something has not become due. */
  let openCount = 0;
  let latestMs = Number.NEGATIVE_INFINITY;

  /** A clock that is set back stands still here: windows end in their order. */
  const nowMs = (): number => {
    latestMs = Math.max(latestMs, options.now());
    return latestMs;
  };

  const drop = (type: EventType, count: number): void => {
    if (onDropped !== undefined) {
      onDropped(type, count);
      return;
    }
    isAnyDropped = true;
    addTo(dropped, type, count);
  };

  const wait = (event: SecurityEvent): void => {
    if (waiting.isFull) {
      const oldest = waiting.shift();
      if (oldest !== undefined) drop(oldest.type, oldest.count);
    }
    waiting.push(event);
  };

  const makeDue = (window: Window): void => {
    if (window.open === undefined) return;
    const { first, lastAtMs, count } = window.open;
    window.open = undefined;
    openCount -= 1;
    wait({ ...first, id: newId(), lastAtMs, count });
  };

  const endFirst = (): void => {
    const window = order.shift();
    if (window === undefined) return;
    windows.delete(window.key);
    makeDue(window);
  };

  const endThoseOver = (atMs: number): void => {
    for (let first = order.first(); first !== undefined && first.endsAtMs <= atMs; first = order.first()) {
      endFirst();
    }
  };

  const giveBack = (batch: Batch): void => {
    // The newest first: where there is too little room, the oldest are dropped.
    for (const event of batch.events.toReversed()) {
      if (waiting.isFull) drop(event.type, event.count);
      else waiting.unshift(event);
    }
    for (const type of EVENT_TYPES) {
      const count = batch.dropped[type] ?? 0;
      if (count > 0) drop(type, count);
    }
  };

  const giveUpLate = (atMs: number): void => {
    for (const [batch, takenAtMs] of underWay) {
      if (atMs - takenAtMs < SETTLE_WITHIN_MS) return;
      underWay.delete(batch);
      giveBack(batch);
    }
  };

  const openWindow = (key: string, atMs: number): Window => {
    if (order.isFull) endFirst();
    const window: Window = { key, endsAtMs: atMs + windowMs, sum: 0, dueAt: 1, open: undefined };
    windows.set(key, window);
    order.push(window);
    return window;
  };

  return {
    add: (reported) => {
      const occurrence = bounded(reported);
      const atMs = nowMs();
      endThoseOver(atMs);
      const key = equalityKey(occurrence);
      const window = windows.get(key) ?? openWindow(key, atMs);
      if (window.open === undefined) {
        window.open = { first: occurrence, lastAtMs: occurrence.atMs, count: 0 };
        openCount += 1;
      }
      window.open.count += 1;
      window.open.lastAtMs = Math.max(window.open.lastAtMs, occurrence.atMs);
      window.sum += 1;
      if (window.sum < window.dueAt) return;
      window.dueAt *= STEP;
      makeDue(window);
    },
    nextDueAtMs: () => {
      if (waiting.size > 0 || isAnyDropped) return nowMs();
      if (openCount > 0) return order.first()?.endsAtMs;
      const [takenAtMs] = underWay.values();
      return takenAtMs === undefined ? undefined : takenAtMs + SETTLE_WITHIN_MS;
    },
    take: (most) => {
      const atMs = nowMs();
      endThoseOver(atMs);
      giveUpLate(atMs);
      if ((waiting.size === 0 && !isAnyDropped) || underWay.size >= MAX_UNDER_WAY) return undefined;
      const events: SecurityEvent[] = [];
      while (events.length < most) {
        const event = waiting.shift();
        if (event === undefined) break;
        events.push(event);
      }
      const batch: Batch = { events, dropped };
      dropped = {};
      isAnyDropped = false;
      underWay.set(batch, atMs);
      return batch;
    },
    settle: (batch, hasArrived) => {
      if (underWay.delete(batch) && !hasArrived) giveBack(batch);
    },
    close: () => {
      while (order.size > 0) endFirst();
    },
  };
};
