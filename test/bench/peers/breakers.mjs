// The peers' breakers, set up as documented: closed, open, and combined with retry and timeout.
import {
  BrokenCircuitError,
  ConstantBackoff,
  CountBreaker,
  circuitBreaker,
  handleAll,
  retry,
  SamplingBreaker,
  TimeoutStrategy,
  timeout,
  wrap,
} from "cockatiel";
import CircuitBreaker from "opossum";

const LONG_MS = 3_600_000;
const failing = () => Promise.reject(new Error("failed"));

/** Opens it, and verifies that. */
const opened = async (call, isOpen) => {
  for (let turn = 0; turn < 200; turn += 1) await call(failing).catch(() => undefined);
  if (!(await call(failing).then(() => false, isOpen))) throw new Error("a peer's breaker did not open");
  return call;
};

const ofCockatiel = (breaker) => {
  const policy = circuitBreaker(handleAll, { halfOpenAfter: LONG_MS, breaker });
  return (attempt) => policy.execute(attempt);
};

const countBreaker = () => new CountBreaker({ threshold: 0.5, size: 100 });

/** @param threshold just below 1: it never opens while a call in its window has succeeded */
const samplingBreaker = (threshold) => new SamplingBreaker({ threshold, duration: 10_000, minimumRps: 2 });

const ofOpossum = (options) => {
  const breaker = new CircuitBreaker((attempt) => attempt(), {
    timeout: false,
    resetTimeout: LONG_MS,
    errorThresholdPercentage: 50,
    volumeThreshold: 20,
    ...options,
  });
  return (attempt) => breaker.fire(attempt);
};

export const cockatielCount = () => ofCockatiel(countBreaker());
export const cockatielSampling = (threshold = 0.5) => ofCockatiel(samplingBreaker(threshold));
export const opossum = () => ofOpossum({});

const isBroken = (error) => error instanceof BrokenCircuitError;
export const openCockatielCount = () => opened(cockatielCount(), isBroken);
export const openOpossum = () => opened(opossum(), (error) => error.code === "EOPENBREAKER");

export const cockatielStack = (timeoutMs) => {
  const policy = wrap(
    retry(handleAll, { maxAttempts: 2, backoff: new ConstantBackoff(10) }),
    circuitBreaker(handleAll, { halfOpenAfter: LONG_MS, breaker: countBreaker() }),
    timeout(timeoutMs, TimeoutStrategy.Aggressive),
  );
  return (attempt) => policy.execute(attempt);
};
/** It has no retry. */
export const opossumStack = (timeoutMs) => ofOpossum({ timeout: timeoutMs });
