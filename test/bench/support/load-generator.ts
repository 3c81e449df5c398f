/** The load generator: a thread of its own, so that nothing the benchmark does meanwhile delays a request. */
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

const THREAD_GRACE_MS = 5_000;

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

/** A closed load's figures, without the time in which it settled. */
export interface LoadResult {
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** @throws Error if a request of the turn failed, or none was answered in the measured time */
export const loadResult = (name: string, trace: Trace, settleMs: number): LoadResult => {
  const failed = trace.status.filter((status) => !isGood(status));
  if (failed.length > 0) {
    const [[status, reason] = []] = trace.reasons;
    throw new Error(`${name} failed ${failed.length} times: ${status} ${reason}`);
  }
  const fromMs = trace.beganAtMs + settleMs;
  const latenciesMs = trace.latencyMs.filter((latencyMs, index) => {
    const endedAtMs = (trace.dueAtMs[index] ?? 0) + latencyMs;
    return endedAtMs >= fromMs && endedAtMs < trace.untilMs;
  });
  if (latenciesMs.length === 0) throw new Error(`${name} answered nothing in the measured time`);
  return {
    requestsPerSecond: (1_000 * latenciesMs.length) / (trace.untilMs - fromMs),
    p50Ms: percentile(latenciesMs, 50),
    p99Ms: percentile(latenciesMs, 99),
  };
};
