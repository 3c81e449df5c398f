/**
 * Aggregates equal security events within a time window. The first occurrence is due immediately. Later ones
 * are summed, and the sum is due when the window's total reaches 10, 100, 1,000, … or when the window ends: n
 * occurrences become at most log10(n) + 2 events. Events that exceed the buffer are dropped and counted.
 */
import {
  aggregationKey,
  type Counts,
  EVENT_TYPES,
  type EventType,
  type Occurrence,
  type SecurityEvent,
  sanitizeOccurrence,
} from "./event.ts";

export interface Batch {
  readonly events: readonly SecurityEvent[];
  /** Dropped occurrences that no earlier batch has reported. */
  readonly dropped: Counts;
}

export const MAX_BATCH_EVENTS = 100;
/** Upper bound of a full encoded batch. */
export const MAX_BATCH_BYTES = 256 * 1024;

/** JSON for the origin, which decodes it with `decodeBatch`. */
export const encodeBatch = ({ events, dropped }: Batch): string => JSON.stringify({ events, dropped });

export interface AggregatorOptions {
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** A UUID for the event of `count` occurrences. */
  readonly newId: (first: Occurrence, count: number) => string;
  /** @default 10,000 */
  readonly windowMs?: number;
  /** Open windows; another one closes the oldest early. @default 1,000 */
  readonly maxWindows?: number;
  /** Buffered events; another one drops the oldest. @default 1,000 */
  readonly maxWaiting?: number;
  /** Counts dropped occurrences. @default the next batch reports them */
  readonly onDropped?: (type: EventType, count: number) => void;
}

const MAX_BATCHES_IN_FLIGHT = 4;
/** Unsettled batches are taken again after this time: the sending request may have been canceled. */
const SETTLE_TIMEOUT_MS = 60_000;
/** Sums are due at powers of this. */
const STEP = 10;

interface Window {
  readonly endsAtMs: number;
  total: number;
  /** The total at which the sum is due. */
  dueAt: number;
  /** Occurrences that are not due yet. */
  sum: { readonly first: Occurrence; lastAtMs: number; count: number } | undefined;
}

export type Aggregator = ReturnType<typeof createAggregator>;

export const createAggregator = (options: AggregatorOptions) => {
  const { newId, windowMs = 10_000, maxWindows = 1_000, maxWaiting = 1_000, onDropped } = options;
  /** By key, in the order in which they end. */
  const windows = new Map<string, Window>();
  const waiting: SecurityEvent[] = [];
  /** The time at which each batch was taken. */
  const inFlight = new Map<Batch, number>();
  let dropped: Partial<Record<EventType, number>> | undefined;
  /** Windows with a sum. */
  let sums = 0;
  let latestMs = Number.NEGATIVE_INFINITY;

  /** Stands still while the clock is set back, so that windows end in order. */
  const nowMs = (): number => {
    latestMs = Math.max(latestMs, options.now());
    return latestMs;
  };

  const drop = (type: EventType, count: number): void => {
    if (onDropped !== undefined) onDropped(type, count);
    else dropped = { ...dropped, [type]: (dropped?.[type] ?? 0) + count };
  };

  const dropSurplus = (): void => {
    while (waiting.length > maxWaiting) {
      const oldest = waiting.shift();
      if (oldest !== undefined) drop(oldest.type, oldest.count);
    }
  };

  const makeDue = (window: Window): void => {
    if (window.sum === undefined) return;
    const { first, lastAtMs, count } = window.sum;
    window.sum = undefined;
    sums -= 1;
    waiting.push({ ...first, id: newId(first, count), lastAtMs, count });
    dropSurplus();
  };

  /** Closes windows, oldest first, while the condition holds. */
  const closeWhile = (condition: (window: Window) => boolean): void => {
    for (const [key, window] of windows) {
      if (!condition(window)) return;
      windows.delete(key);
      makeDue(window);
    }
  };

  const restore = (batch: Batch): void => {
    waiting.unshift(...batch.events);
    dropSurplus();
    for (const type of EVENT_TYPES) {
      const count = batch.dropped[type] ?? 0;
      if (count > 0) drop(type, count);
    }
  };

  const restoreUnsettled = (atMs: number): void => {
    for (const [batch, takenAtMs] of inFlight) {
      if (atMs - takenAtMs < SETTLE_TIMEOUT_MS) return;
      inFlight.delete(batch);
      restore(batch);
    }
  };

  const openWindow = (key: string, atMs: number): Window => {
    closeWhile(() => windows.size >= maxWindows);
    const window: Window = { endsAtMs: atMs + windowMs, total: 0, dueAt: 1, sum: undefined };
    windows.set(key, window);
    return window;
  };

  return {
    add: (reported: Occurrence): void => {
      const occurrence = sanitizeOccurrence(reported);
      const atMs = nowMs();
      closeWhile(({ endsAtMs }) => endsAtMs <= atMs);
      const key = aggregationKey(occurrence);
      const window = windows.get(key) ?? openWindow(key, atMs);
      if (window.sum === undefined) {
        window.sum = { first: occurrence, lastAtMs: occurrence.atMs, count: 0 };
        sums += 1;
      }
      window.sum.count += 1;
      window.sum.lastAtMs = Math.max(window.sum.lastAtMs, occurrence.atMs);
      window.total += 1;
      if (window.total < window.dueAt) return;
      window.dueAt *= STEP;
      makeDue(window);
    },
    /**
     * The earliest time at which something may be due, epoch milliseconds: never too late, sometimes a little
     * early. Undefined if nothing is buffered.
     */
    nextDueAtMs: (): number | undefined => {
      if (waiting.length > 0 || dropped !== undefined) return nowMs();
      const [takenAtMs] = inFlight.values();
      const [first] = windows.values();
      if (sums > 0) return first?.endsAtMs;
      return takenAtMs === undefined ? undefined : takenAtMs + SETTLE_TIMEOUT_MS;
    },
    /**
     * A batch of due events, which is in flight until it is settled. Undefined if nothing is due or too many
     * batches are in flight.
     */
    take: (maxEvents: number): Batch | undefined => {
      const atMs = nowMs();
      closeWhile(({ endsAtMs }) => endsAtMs <= atMs);
      restoreUnsettled(atMs);
      if (waiting.length === 0 && dropped === undefined) return undefined;
      if (inFlight.size >= MAX_BATCHES_IN_FLIGHT) return undefined;
      const batch: Batch = { events: waiting.splice(0, maxEvents), dropped: dropped ?? {} };
      dropped = undefined;
      inFlight.set(batch, atMs);
      return batch;
    },
    /** Ends the batch's flight; one that has not arrived is taken again. Repeated calls have no effect. */
    settle: (batch: Batch, hasArrived: boolean): void => {
      if (inFlight.delete(batch) && !hasArrived) restore(batch);
    },
    /** Closes every window, so that everything is due. */
    close: (): void => closeWhile(() => true),
  };
};
