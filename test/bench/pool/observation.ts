/** The result of a turn: every request as its client saw it, every attempt as the replicas saw it. */
import { isGood, type Trace } from "../support/load-turn.ts";
import { percentile } from "../support/statistics.ts";
import { BUCKET_MS, type ReplicaCounts } from "./replica.ts";

/** Epoch milliseconds. */
export interface Span {
  readonly fromMs: number;
  readonly toMs: number;
}

export interface Seen {
  readonly sent: number;
  /** Everything but a complete 2xx response. */
  readonly errors: number;
  /** The latency of the 2xx responses; infinite without any. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly lagP99Ms: number;
}

export interface Observation {
  readonly trace: Trace;
  /** One for each replica that the contestant uses. */
  readonly counts: readonly ReplicaCounts[];
  /** When each step of the scenario was done, epoch milliseconds. */
  readonly stepsAtMs: readonly number[];
  /** The idle share of the machine under load. */
  readonly idleShare: number;
}

const at = (values: readonly number[], percent: number): number =>
  values.length === 0 ? Number.POSITIVE_INFINITY : percentile(values, percent);

/**
 * Counts the requests that were due within the span.
 *
 * @param isCounted by the index among all requests @default all
 */
export const seenWithin = (
  { trace }: Observation,
  { fromMs, toMs }: Span,
  isCounted: (index: number) => boolean = () => true,
): Seen => {
  const latencies: number[] = [];
  const lags: number[] = [];
  let errors = 0;
  for (const [index, dueMs] of trace.dueAtMs.entries()) {
    if (dueMs < fromMs || dueMs >= toMs || !isCounted(index)) continue;
    lags.push(trace.lagMs[index] ?? 0);
    if (isGood(trace.status[index] ?? 0)) latencies.push(trace.latencyMs[index] ?? 0);
    else errors += 1;
  }
  return {
    sent: lags.length,
    errors,
    p50Ms: at(latencies, 50),
    p99Ms: at(latencies, 99),
    lagP99Ms: at(lags, 99),
  };
};

/** Attempts at each replica within the span, to a bucket. */
const attemptsWithin = ({ counts }: Observation, { fromMs, toMs }: Span): number[] => {
  const first = Math.ceil(fromMs / BUCKET_MS);
  const end = Math.ceil(toMs / BUCKET_MS);
  return counts.map(({ buckets }) =>
    buckets.reduce((sum, [bucket, attempts]) => (bucket >= first && bucket < end ? sum + attempts : sum), 0),
  );
};

const total = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);

export const allAttemptsWithin = (observation: Observation, span: Span): number =>
  total(attemptsWithin(observation, span));

/** One replica's share of all attempts within the span. */
export const shareOf = (observation: Observation, replica: number, span: Span): number => {
  const attempts = attemptsWithin(observation, span);
  return (attempts[replica] ?? 0) / Math.max(1, total(attempts));
};

/** The same as a multiple of an equal share. */
export const fairShareOf = (observation: Observation, replica: number, span: Span): number =>
  shareOf(observation, replica, span) * observation.counts.length;

/** The steps between windows of a second. */
const STEP_MS = 100;

/** Milliseconds until the first second that is right; the length of the span if none is. */
export const firstSecond = ({ fromMs, toMs }: Span, isRight: (second: Span) => boolean): number => {
  for (let startMs = fromMs; startMs + 1_000 <= toMs; startMs += STEP_MS)
    if (isRight({ fromMs: startMs, toMs: startMs + 1_000 })) return startMs - fromMs;
  return toMs - fromMs;
};

/** The most attempts per second that one replica got within a window of the span. */
export const highestRate = (observation: Observation, { fromMs, toMs }: Span, windowMs: number): number => {
  let most = 0;
  for (let startMs = fromMs; startMs + windowMs <= toMs; startMs += BUCKET_MS)
    most = Math.max(most, ...attemptsWithin(observation, { fromMs: startMs, toMs: startMs + windowMs }));
  return (most * 1_000) / windowMs;
};

/** Number of requests with an id that reached the replicas more than once. @param prefix of the counted ids */
export const duplicates = ({ counts }: Observation, prefix: string): number => {
  const seen = new Set<string>();
  const twice = new Set<string>();
  for (const { ids } of counts)
    for (const id of ids) {
      if (!id.startsWith(prefix)) continue;
      if (seen.has(id)) twice.add(id);
      seen.add(id);
    }
  return twice.size;
};
