/** A breaker with a manual clock. */
import {
  type Breaker,
  type BreakerOptions,
  createBreaker,
  type Permit,
  type Transition,
} from "../../../src/resilience/circuit-breaker/circuit-breaker.ts";

export interface Scene {
  readonly breaker: Breaker;
  readonly transitions: readonly Transition[];
  reasons(): string[];
  /** Sets the clock. */
  at(ms: number): void;
  acquire(atMs: number, leaseMs?: number): Permit;
  /** @returns when to try again */
  reject(atMs: number): number;
  fail(atMs: number, times?: number): void;
  succeed(atMs: number, times?: number): void;
}

/** The longest jitter. */
const LATEST = 1 - 2 ** -20;

export const start = (options: BreakerOptions = {}, random = () => LATEST): Scene => {
  const transitions: Transition[] = [];
  let nowMs = 0;
  const at = (ms: number): void => {
    nowMs = ms;
  };
  const breaker = createBreaker(options, {
    now: () => nowMs,
    random,
    onTransition: (each) => transitions.push(each),
  });
  const acquire = (atMs: number, leaseMs?: number): Permit => {
    at(atMs);
    const answer = breaker.tryAcquire(leaseMs);
    if (!answer.granted) throw new Error(`rejected until ${answer.retryAtMs}`);
    return answer;
  };
  return {
    breaker,
    transitions,
    reasons: () => transitions.map(({ reason }) => reason),
    at,
    acquire,
    reject: (atMs) => {
      at(atMs);
      const answer = breaker.tryAcquire();
      if (answer.granted) throw new Error("granted");
      return answer.retryAtMs;
    },
    fail: (atMs, times = 1) => {
      for (let turn = 0; turn < times; turn += 1) acquire(atMs).fail();
    },
    succeed: (atMs, times = 1) => {
      for (let turn = 0; turn < times; turn += 1) acquire(atMs).ok();
    },
  };
};

/** Opened at 0 by consecutive failures, until 1,000. */
export const opened = (options: BreakerOptions = {}, random?: () => number): Scene => {
  const scene = start(options, random);
  scene.fail(0, 5);
  return scene;
};
