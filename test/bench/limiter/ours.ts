/** This project's limiter, composed as in the edge. */
import type { Limit } from "../../../src/contract/policy.ts";
import { createRedis } from "../../../src/edge/stores/redis.ts";
import { createRedisLimitStore } from "../../../src/middleware/rate-limit/limit-store.ts";
import { createRateLimiter, LIMITER_DEFAULTS } from "../../../src/middleware/rate-limit/limiter.ts";
import { createBreaker } from "../../../src/resilience/circuit-breaker/circuit-breaker.ts";
import {
  bucketOf,
  type Contestant,
  createBackgroundWork,
  type Isolate,
  type IsolateSetup,
  type Rule,
} from "./contestant.ts";

const DEADLINE_MS = 150;
/** As in src/edge/app.ts. */
const BREAKER = { timeoutMs: 500, maxTimeoutMs: 1_000, halfOpenTimeoutMs: 300, rampMs: 0 };
export const LEASE_MS = LIMITER_DEFAULTS.leaseMs;

/** The most that any window may admit beyond its refill. */
export const mostAboveRefill = (rule: Rule): number => {
  const { capacity, refillPerSecond } = bucketOf(rule);
  return capacity + (refillPerSecond * LEASE_MS) / 1_000;
};

const open = ({ url, token, keyPrefix, rule, onStoreFailure }: IsolateSetup): Isolate => {
  const redis = createRedis({ url, token, timeoutMs: DEADLINE_MS });
  const breaker = createBreaker(BREAKER, { now: Date.now, random: Math.random });
  const limiter = createRateLimiter({
    options: { deadlineMs: DEADLINE_MS },
    store: createRedisLimitStore({
      keyPrefix,
      run: (command, script, keys, values) => redis(command, script, keys.length, ...keys, ...values),
    }),
    breaker,
    now: Date.now,
  });
  const work = createBackgroundWork();
  /** One limit by name, by its cost. */
  const limits = new Map<number, readonly Limit[]>();
  const limitsOf = (cost: number): readonly Limit[] => {
    const known = limits.get(cost) ?? [
      { name: "bench", ...bucketOf(rule), per: "principal", cost, onStoreFailure },
    ];
    limits.set(cost, known);
    return known;
  };
  return {
    ask: async (key, cost) => {
      const wasOpen = breaker.state === "open";
      const verdict = limiter.check(limitsOf(cost), { network: "203.0.113.1", principal: key }, work.add);
      // A probe has changed the state by now.
      const isBreakerOpen = wasOpen && breaker.state === "open";
      const { isAdmitted, results } = await verdict;
      return { isAdmitted, mode: results[0]?.mode ?? "error", isBreakerOpen };
    },
    settled: work.settled,
  };
};

export const ours: Contestant = {
  id: "breakwater",
  title: "Breakwater",
  isOurs: true,
  oracle: "bucket",
  promised: (rule) => rule.tokens + mostAboveRefill(rule),
  open,
};
