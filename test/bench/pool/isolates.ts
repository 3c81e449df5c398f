/**
 * Many isolates before the same few origins, each of which sees a small part of the requests only: a simulation in
 * virtual time, since no machine runs four hundred. Origins are queues with so many servers each; one of them is much
 * slower than the others. The balancers are the real ones; a request goes the way of `retries.ts`.
 */
import { percentile } from "../support/statistics.ts";
import { type Chooser, type ChooserKind, createChooser } from "./isolate-chooser.ts";
import { seededRandom } from "./seeded-random.ts";
import { createOrigin, type Job, type SimulatedOrigin } from "./simulated-origin.ts";
import { createTimeline } from "./timeline.ts";

export interface SimulationOptions {
  readonly isolates: number;
  readonly chooser: ChooserKind;
  readonly seed: number;
  /** Of all isolates together. @default 2,000 */
  readonly perSecond?: number;
  /** @default 4 */
  readonly origins?: number;
  /** Requests that an origin serves at a time. @default 5 */
  readonly slots?: number;
  /** In the mean, exponentially distributed. @default 5 */
  readonly serviceMs?: number;
  /** Of the first origin. @default 200 */
  readonly slowServiceMs?: number;
  /** Not counted. @default 60,000 */
  readonly warmUpMs?: number;
  /** @default 20,000 */
  readonly measureMs?: number;
}

export interface SimulationResult {
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Not answered within the deadline. */
  readonly errors: number;
  /** Of all attempts the part that the slow origin got. */
  readonly slowShare: number;
}

/** Where a simulation's clock begins: no epoch, but not zero either. */
const BEGIN_MS = 1_000_000;
export const DEADLINE_MS = 2_000;

export const simulateIsolates = ({
  isolates,
  chooser: kind,
  seed,
  perSecond = 2_000,
  origins: originCount = 4,
  slots = 5,
  serviceMs = 5,
  slowServiceMs = 200,
  warmUpMs = 60_000,
  measureMs = 20_000,
}: SimulationOptions): SimulationResult => {
  const random = seededRandom(seed);
  const timeline = createTimeline(BEGIN_MS);
  const exponential = (mean: number): number => -Math.log(1 - random()) * mean;
  const origins: readonly SimulatedOrigin[] = Array.from({ length: originCount }, (_, index) =>
    createOrigin(slots, () => exponential(index === 0 ? slowServiceMs : serviceMs), timeline),
  );
  const measuredFromMs = BEGIN_MS + warmUpMs;
  const untilMs = measuredFromMs + measureMs;
  const latencies: number[] = [];
  const attempts = new Float64Array(originCount);
  let errors = 0;

  const send = (origin: number, done: () => void): Job => {
    if (timeline.nowMs() >= measuredFromMs) attempts[origin] = (attempts[origin] ?? 0) + 1;
    const job: Job = { done, state: "waiting" };
    origins[origin]?.add(job);
    return job;
  };
  const cancel = (origin: number, job: Job): void => origins[origin]?.cancel(job);
  const surroundings = { timeline, random, send, cancel, deadlineMs: DEADLINE_MS };
  const choosers: (Chooser | undefined)[] = Array.from({ length: isolates });

  const arrive = (): void => {
    const isolate = Math.floor(random() * isolates);
    choosers[isolate] ??= createChooser(kind, originCount, surroundings);
    const startedMs = timeline.nowMs();
    choosers[isolate]?.request((isAnswered) => {
      if (startedMs < measuredFromMs) return;
      if (isAnswered) latencies.push(timeline.nowMs() - startedMs);
      else errors += 1;
    });
    const nextMs = startedMs + exponential(1_000 / perSecond);
    if (nextMs < untilMs) timeline.at(nextMs, arrive);
  };
  timeline.at(BEGIN_MS, arrive);
  timeline.run();

  const all = attempts.reduce((sum, each) => sum + each, 0);
  return {
    p50Ms: percentile(latencies, 50),
    p99Ms: percentile(latencies, 99),
    errors,
    slowShare: (attempts[0] ?? 0) / all,
  };
};
