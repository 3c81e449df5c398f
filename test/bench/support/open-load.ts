/** The generator of an open load: a thread of its own, so that nothing the benchmark does meanwhile delays a request. */
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { LAST_OPEN_ANSWERS_MS, type OpenTurn, type OpenTurnResult } from "./open-turn.ts";

export interface OpenLoad {
  /**
   * Runs one turn; one at a time.
   *
   * @throws Error when the thread does not answer in time
   */
  run(turn: OpenTurn): Promise<OpenTurnResult>;
  close(): Promise<void>;
}

const THREAD_GRACE_MS = 5_000;

export const startOpenLoad = (): OpenLoad => {
  const worker = new Worker(new URL("./open-load-worker.ts", import.meta.url));
  return {
    run: async (turn) => {
      const limitMs = turn.settleMs + turn.measureMs + LAST_OPEN_ANSWERS_MS + THREAD_GRACE_MS;
      const answer = once(worker, "message", { signal: AbortSignal.timeout(limitMs) });
      const { bytes, ends, isRepeatable } = turn.requests;
      worker.postMessage(turn, isRepeatable ? [] : [bytes.buffer, ends.buffer]);
      const [result]: OpenTurnResult[] = await answer;
      if (result === undefined) throw new Error("the load generator posted nothing");
      return result;
    },
    close: async () => void (await worker.terminate()),
  };
};
