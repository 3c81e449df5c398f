/** This project's limiter, composed as in the edge. */
import type { Limit } from "../../../src/contract/policy.ts";
import { createRedis } from "../../../src/edge/stores/redis.ts";
import { createRedisLimitStore } from "../../../src/middleware/rate-limit/limit-store.ts";
import { createRateLimiter } from "../../../src/middleware/rate-limit/limiter.ts";
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
/** The default of RATE_LIMIT_LEASE_MS. */
export const LEASE_MS = 2_000;
/** As in src/edge/app.ts. */
const BREAKER = { timeoutMs: 500, maxTimeoutMs: 1_000, halfOpenTimeoutMs: 2_000, rampMs: 0 };

/** The most that any window may admit beyond its refill. */
export const mostAboveRefill = (rule: Rule): number => {
  const { capacity, refillPerSecond } = bucketOf(rule);
  return capacity + (refillPerSecond * LEASE_MS) / 1_000;
};

const open = ({ url, token, keyPrefix, rule, onStoreFailure }: IsolateSetup): Isolate => {
  const redis = createRedis({ url, token, timeoutMs: DEADLINE_MS });
  const breaker = createBreaker(BREAKER, { now: Date.now, random: Math.random });
  const limiter = createRateLimiter({
    options: { leaseMs: LEASE_MS, deadlineMs: DEADLINE_MS },
    store: createRedisLimitStore({
      keyPrefix,
      run: (command, script, keys, values) => redis(command, script, keys.length, ...keys, ...values),
    }),
    breaker,
    now: Date.now,
  });
  const work = createBackgroundWork();
  const limits: readonly Limit[] = [{ name: "bench", ...bucketOf(rule), per: "principal", onStoreFailure }];
  return {
    ask: async (key) => {
      const client = { network: "203.0.113.1", principal: key };
      const { isAdmitted, results } = await limiter.check(limits, client, work.add);
      return { isAdmitted, mode: results[0]?.mode ?? "error" };
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
