/** The load generator: its own thread, so that the benchmark's other work delays no request. */
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import type { Run } from "./bench.ts";
import { isGood, LAST_RESPONSES_MS, type Trace, type Turn } from "./load-turn.ts";
import { percentile } from "./statistics.ts";

export interface LoadGenerator {
  /**
   * Runs one turn at a time.
   *
   * @throws Error if the thread does not answer in time; the signal's reason. Then no other turn may follow.
   */
  run(turn: Turn): Promise<Trace>;
}

/** A busy machine may not run the thread for some seconds. */
const THREAD_GRACE_MS = 30_000;

export const startLoadGenerator = ({ signal, stops }: Run): LoadGenerator => {
  const worker = new Worker(new URL("./load-worker.ts", import.meta.url));
  stops.add(() => worker.terminate());
  return {
    run: async (turn) => {
      const limitMs = turn.lastsMs + LAST_RESPONSES_MS + THREAD_GRACE_MS;
      const answer = once(worker, "message", {
        signal: AbortSignal.any([signal, AbortSignal.timeout(limitMs)]),
      });
      const { bytes, ends, isRepeatable } = turn.requests;
      worker.postMessage(turn, isRepeatable ? [] : [bytes.buffer, ends.buffer]);
      const [trace]: Trace[] = await answer;
      if (trace === undefined) throw new Error("the load generator posted nothing");
      return trace;
    },
  };
};

/** A closed load's figures, without the settling time. */
export interface LoadResult {
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** A disk that stalls makes a server with load shedding reject a few requests. They count as none, for every contestant. */
const SHED_STATUS = 503;
const MAX_SHED_SHARE = 0.02;

/**
 * If a slow server answered no request in the measured time, the figures are those of the whole turn.
 *
 * @param expected the status of every response @default any 2xx
 * @throws Error if a request of the turn got another one, or more than 2 % of them 503
 */
export const loadResult = (
  name: string,
  trace: Trace,
  settleMs: number,
  expected: number | undefined,
): LoadResult => {
  const isExpected = (status: number): boolean =>
    expected === undefined ? isGood(status) : status === expected;
  const failed = trace.status.filter((status) => !isExpected(status));
  const shed = failed.filter((status) => status === SHED_STATUS).length;
  if (failed.length > shed || shed > MAX_SHED_SHARE * trace.status.length) {
    const [[status, reason] = failed] = trace.reasons;
    throw new Error(`${name} failed ${failed.length} times: ${status} ${reason}`);
  }
  const endedAtMs = trace.dueAtMs.map((dueAtMs, index) => dueAtMs + (trace.latencyMs[index] ?? 0));
  const resultOf = (fromMs: number, untilMs: number): LoadResult | undefined => {
    const latenciesMs = trace.latencyMs.filter((_, index) => {
      if (!isExpected(trace.status[index] ?? 0)) return false;
      const atMs = endedAtMs[index] ?? 0;
      return atMs >= fromMs && atMs <= untilMs;
    });
    if (latenciesMs.length === 0) return undefined;
    return {
      requestsPerSecond: (1_000 * latenciesMs.length) / (untilMs - fromMs),
      p50Ms: percentile(latenciesMs, 50),
      p99Ms: percentile(latenciesMs, 99),
    };
  };
  const result =
    resultOf(trace.beganAtMs + settleMs, trace.untilMs) ?? resultOf(trace.beganAtMs, Math.max(...endedAtMs));
  if (result === undefined) throw new Error(`${name} was sent no request`);
  return result;
};
