/** A breaker that permits everything and records how each permit was settled. */
import type { Breaker } from "../../../src/resilience/circuit-breaker/circuit-breaker.ts";

export type Settled = "ok" | "fail" | "ignore" | "pending";

export interface RecordingBreaker {
  readonly breaker: Breaker;
  /** The first settlement of each permit, in the order of acquisition. */
  readonly settlements: Settled[];
}

export const recordingBreaker = (): RecordingBreaker => {
  const settlements: Settled[] = [];
  const breaker: Breaker = {
    state: "closed",
    tryAcquire: () => {
      const index = settlements.push("pending") - 1;
      const settle = (as: Settled) => (): void => {
        if (settlements[index] === "pending") settlements[index] = as;
      };
      return { granted: true, ok: settle("ok"), fail: settle("fail"), ignore: settle("ignore") };
    },
    run: () => Promise.reject(new Error("statements acquire permits")),
    probeNow: () => undefined,
    rejections: 0,
  };
  return { breaker, settlements };
};
