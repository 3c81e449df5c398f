/** This project's limiter, put together as the edge does. */
import type { Limit } from "../../../src/contract/policy.ts";
import { createRedis } from "../../../src/edge/stores/redis.ts";
import { createRedisLimitStore } from "../../../src/middleware/rate-limit/limit-store.ts";
import { createRateLimiter, LIMITER_DEFAULTS } from "../../../src/middleware/rate-limit/limiter.ts";
import type { LimitVerdict } from "../../../src/middleware/rate-limit/request-check.ts";
import { createBreaker } from "../../../src/resilience/circuit-breaker/circuit-breaker.ts";
import type { Contestant, Isolate, IsolateSetup, Said } from "./contestant.ts";
import { bucketOf, type Rule } from "./rule.ts";
import { createWork } from "./work.ts";

const DEADLINE_MS = 150;
/** As src/edge/app.ts has it. */
const BREAKER = { timeoutMs: 500, maxTimeoutMs: 1_000, halfOpenTimeoutMs: 300, rampMs: 0 };
export const LEASE_MS = LIMITER_DEFAULTS.leaseMs;

/** What any window may admit beyond what comes back within it. */
export const mostAboveRefill = (rule: Rule): number => {
  const { capacity, refillPerSecond } = bucketOf(rule);
  return capacity + (refillPerSecond * LEASE_MS) / 1_000;
};

export const limitOf = (rule: Rule, onStoreFailure: Limit["onStoreFailure"], cost = 1): Limit => ({
  name: "bench",
  ...bucketOf(rule),
  per: "principal",
  cost,
  onStoreFailure,
});

const said = ({ isAdmitted, results }: LimitVerdict, isStoreGivenUp: boolean): Said => ({
  isAdmitted,
  mode: results[0]?.mode ?? "error",
  isStoreGivenUp,
});

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
  const work = createWork();
  /** Of one name, by what they cost. */
  const limits = new Map<number, readonly Limit[]>();
  return {
    ask: async (key, cost) => {
      const known = limits.get(cost) ?? [limitOf(rule, onStoreFailure, cost)];
      limits.set(cost, known);
      const wasOpen = breaker.state === "open";
      const verdict = limiter.check(known, { network: "203.0.113.1", principal: key }, work.add);
      // A probe has closed it by half by now.
      const isStoreGivenUp = wasOpen && breaker.state === "open";
      return said(await verdict, isStoreGivenUp);
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
