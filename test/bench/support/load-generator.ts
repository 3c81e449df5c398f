/** The load generator: a thread of its own, so that nothing the benchmark does meanwhile delays a request. */
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { LAST_ANSWERS_MS, type Turn, type TurnResult } from "./load-turn.ts";

export interface LoadGenerator {
  /**
   * Runs one turn; one at a time.
   *
   * @throws Error when the thread does not answer in time
   */
  run(turn: Turn): Promise<TurnResult>;
  close(): Promise<void>;
}

const THREAD_GRACE_MS = 5_000;

export const startLoadGenerator = (): LoadGenerator => {
  const worker = new Worker(new URL("./load-worker.ts", import.meta.url));
  return {
    run: async (turn) => {
      const limitMs = turn.settleMs + turn.measureMs + LAST_ANSWERS_MS + THREAD_GRACE_MS;
      const answer = once(worker, "message", { signal: AbortSignal.timeout(limitMs) });
      const { bytes, ends, isRepeatable } = turn.requests;
      worker.postMessage(turn, isRepeatable ? [] : [bytes.buffer, ends.buffer]);
      const [result]: TurnResult[] = await answer;
      if (result === undefined) throw new Error("the load generator posted nothing");
      return result;
    },
    close: async () => void (await worker.terminate()),
  };
};
