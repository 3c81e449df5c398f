/** The trace of the request that is being worked on, where it is kept: nothing is noted for any other request. */
import { AsyncLocalStorage } from "node:async_hooks";
import type { RequestTrace } from "./request-trace.ts";

export interface ActiveTrace {
  /** Undefined where the request's trace is not kept. */
  get(): RequestTrace | undefined;
  run<T>(trace: RequestTrace | undefined, work: () => T): T;
}

export const createActiveTrace = (): ActiveTrace => {
  const storage = new AsyncLocalStorage<RequestTrace>();
  return {
    get: () => storage.getStore(),
    run: (trace, work) => (trace === undefined ? work() : storage.run(trace, work)),
  };
};
