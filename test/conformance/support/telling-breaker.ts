/** A breaker that lets everything through, and shows what each attempt has told it. */
import type { Breaker } from "../../../src/resilience/circuit-breaker/circuit-breaker.ts";

export type Told = "ok" | "fail" | "ignore" | "nothing yet";

export interface TellingBreaker {
  readonly breaker: Breaker;
  /** Of each attempt the first that it told, in the order in which they began. */
  readonly told: Told[];
}

export const tellingBreaker = (): TellingBreaker => {
  const told: Told[] = [];
  const breaker: Breaker = {
    state: "closed",
    tryAcquire: () => {
      const index = told.push("nothing yet") - 1;
      const settle = (as: Told) => (): void => {
        if (told[index] === "nothing yet") told[index] = as;
      };
      return { granted: true, ok: settle("ok"), fail: settle("fail"), ignore: settle("ignore") };
    },
    run: () => Promise.reject(new Error("statements ask for permits")),
    probeNow: () => undefined,
    rejections: 0,
  };
  return { breaker, told };
};
