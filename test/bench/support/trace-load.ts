/** The generator of a traced load: a thread of its own, so that nothing the benchmark does meanwhile delays a request. */
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { LAST_ANSWERS_MS, type Trace, type TraceTurn } from "./trace-turn.ts";

export interface TraceLoad {
  /**
   * Runs one turn; one at a time.
   *
   * @param signal aborted when it is not waited for any more; then only `close` may follow
   * @throws Error when the thread does not answer in time
   */
  run(turn: TraceTurn, signal: AbortSignal): Promise<Trace>;
  close(): Promise<void>;
}

const THREAD_GRACE_MS = 5_000;

export const startTraceLoad = (): TraceLoad => {
  const worker = new Worker(new URL("./trace-load-worker.ts", import.meta.url));
  return {
    run: async (turn, signal) => {
      const limitMs = turn.lastsMs + LAST_ANSWERS_MS + THREAD_GRACE_MS;
      const answer = once(worker, "message", {
        signal: AbortSignal.any([signal, AbortSignal.timeout(limitMs)]),
      });
      worker.postMessage(turn);
      const [trace]: Trace[] = await answer;
      if (trace === undefined) throw new Error("the load generator posted nothing");
      return trace;
    },
    close: async () => void (await worker.terminate()),
  };
};
