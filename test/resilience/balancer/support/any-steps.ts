/** Arbitrary sequences of calls to a balancer. */
import fc from "fast-check";
import type { BreakerOptions } from "../../../../src/resilience/circuit-breaker/circuit-breaker.ts";
import { END_NAMES, type EndName } from "./scene.ts";

export type Step =
  | { readonly do: "acquire"; readonly isRepeatable: boolean; readonly except: readonly number[] }
  /** Ends one of the open attempts. */
  | { readonly do: "end"; readonly which: number; readonly how: EndName }
  /** A negative value sets the clock back. */
  | { readonly do: "pass"; readonly ms: number };

export const LEASE_MS = 500;
export const MAX_TIMEOUT_MS = 2_000;
/** Ejects and probes quickly, so that a few steps reach every state. */
export const OPTIONS: { readonly breaker: BreakerOptions } = {
  breaker: {
    failureThreshold: 2,
    successThreshold: 2,
    timeoutMs: 400,
    maxTimeoutMs: MAX_TIMEOUT_MS,
    halfOpenTimeoutMs: LEASE_MS,
  },
};

const MAX_ORIGINS = 4;

export const anyWeights = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: MAX_ORIGINS });

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("acquire" as const),
      isRepeatable: fc.boolean(),
      except: fc.oneof(
        { weight: 3, arbitrary: fc.constant<readonly number[]>([]) },
        { weight: 1, arbitrary: fc.uniqueArray(fc.nat(MAX_ORIGINS - 1), { maxLength: MAX_ORIGINS }) },
      ),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("end" as const),
      which: fc.nat(1_000),
      how: fc.constantFrom<EndName[]>(...END_NAMES, "timed out", "timed out", "answered"),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("pass" as const), ms: fc.nat(LEASE_MS) }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("pass" as const), ms: fc.integer({ min: -5_000, max: 40_000 }) }),
  },
);

export const anySteps = fc.array(step, { maxLength: 150, size: "max" });
export const RUNS = { numRuns: 300 };
