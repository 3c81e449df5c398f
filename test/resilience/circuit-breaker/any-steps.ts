/** Arbitrary sequences of calls to a breaker. */
import fc from "fast-check";
import type { BreakerOptions, Permit } from "../../../src/resilience/circuit-breaker/circuit-breaker.ts";

export type Result = "ok" | "fail" | "ignore" | "pushback";

export type Step =
  | { readonly do: "acquire" }
  /** Settles one of the open permits. */
  | { readonly do: "settle"; readonly which: number; readonly how: Result }
  | { readonly do: "wait"; readonly ms: number }
  | { readonly do: "probeNow" };

export const LEASE_MS = 500;
export const MAX_TIMEOUT_MS = 2_000;
/** Opens and closes quickly, so that a few steps reach every state. */
export const OPTIONS: BreakerOptions = {
  failureThreshold: 2,
  successThreshold: 2,
  timeoutMs: 400,
  maxTimeoutMs: MAX_TIMEOUT_MS,
  halfOpenTimeoutMs: LEASE_MS,
  rampMs: 300,
};

const PUSHBACK_MS = 700;

export const settle = (permit: Permit, how: Result): void => {
  if (how === "ok") permit.ok();
  else if (how === "ignore") permit.ignore();
  else permit.fail(how === "pushback" ? PUSHBACK_MS : undefined);
};

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.constant<Step>({ do: "acquire" }) },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant("settle" as const),
      which: fc.nat(1_000),
      how: fc.oneof(
        { weight: 3, arbitrary: fc.constant<Result>("ok") },
        { weight: 3, arbitrary: fc.constant<Result>("fail") },
        { weight: 1, arbitrary: fc.constant<Result>("ignore") },
        { weight: 1, arbitrary: fc.constant<Result>("pushback") },
      ),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.nat(LEASE_MS) }) },
  { weight: 1, arbitrary: fc.constant<Step>({ do: "probeNow" }) },
);

export const anySteps = fc.array(step, { maxLength: 200, size: "max" });
export const RUNS = { numRuns: 500 };
