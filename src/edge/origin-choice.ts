/** The origins, each behind a circuit breaker of its own, and the choice among those that may be called now. */
import type { Breaker, Permit } from "../core/breaker/breaker.ts";
import type { BreakerOptions } from "../core/breaker/options.ts";
import { type BreakerSurroundings, dependencyBreaker } from "./breakers.ts";
import { ORIGIN_BREAKER, type OriginAddress } from "./configuration.ts";

export interface Unreachable {
  readonly kind: "unreachable";
  /** Where no origin may be called: when to try again, whole seconds, at least 1. */
  readonly retryAfterS?: number;
}

export type OriginChoice =
  | { readonly kind: "chosen"; readonly address: OriginAddress; readonly permit: Permit }
  | Unreachable;

/** An origin is not given up for longer, milliseconds. */
const LONGEST_MS = 2_000;
/** So long an origin that is back gets only a share of its requests, where there is another one to take the rest. */
const RAMP_MS = 1_000;

interface Guarded {
  readonly address: OriginAddress;
  readonly breaker: Breaker;
}

/** @returns chooses an origin; who gets a permit settles it */
export const originChooser = (
  origins: readonly OriginAddress[],
  surroundings: BreakerSurroundings,
  options: BreakerOptions = {},
): (() => OriginChoice) => {
  const { now, random } = surroundings;
  const { timeoutMs } = { ...ORIGIN_BREAKER, ...options };
  const settings = {
    ...ORIGIN_BREAKER,
    maxTimeoutMs: Math.max(LONGEST_MS, timeoutMs),
    rampMs: origins.length > 1 ? RAMP_MS : 0,
    ...options,
  };
  const all: readonly Guarded[] = origins.map((address) => ({
    address,
    breaker: dependencyBreaker("origin", settings, surroundings, { origin: address.authority }),
  }));

  return () => {
    const left = [...all];
    let retryAtMs = Number.POSITIVE_INFINITY;
    while (left.length > 0) {
      for (const { address, breaker } of left.splice(Math.floor(random() * left.length), 1)) {
        const answer = breaker.tryAcquire();
        if (answer.granted) return { kind: "chosen", address, permit: answer };
        retryAtMs = Math.min(retryAtMs, answer.retryAtMs);
      }
    }
    if (retryAtMs === Number.POSITIVE_INFINITY) return { kind: "unreachable" };
    return { kind: "unreachable", retryAfterS: Math.max(1, Math.ceil((retryAtMs - now()) / 1_000)) };
  };
};
