/** The contract's limits for the guards of an origin: by the same buckets in Redis as the edge's. */
import type { ChainDependencies } from "../../middleware/guards.ts";
import { type LimitEnforcement, limitsAs } from "../../middleware/rate-limit/index.ts";
import { createRateLimiter } from "../../middleware/rate-limit/limiter.ts";
import { createLimitReport } from "../../middleware/rate-limit/log.ts";
import type { LimitEvent } from "../../middleware/rate-limit/verdict.ts";
import type { Breaker } from "../../resilience/circuit-breaker/circuit-breaker.ts";
import type { Judgement } from "../../resilience/circuit-breaker/outcome.ts";
import type { RedisStore } from "../data/redis.ts";
import { limitStoreOf } from "../limits/limit-store.ts";
import type { OriginLog } from "../log.ts";

/** For so long a process lives on tokens that it has taken, and longer than this no request waits for Redis. */
const LEASE_MS = 2_000;
const DEADLINE_MS = 150;

export interface OwnLimitsDependencies {
  /** Without its breaker: the limiter asks that itself. */
  readonly redis: RedisStore;
  readonly breaker: Breaker;
  readonly keyPrefix: string;
  readonly enforcement: LimitEnforcement;
  readonly log: OriginLog;
  /** Told of what each limit says. */
  readonly observe: (event: LimitEvent) => void;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

/** What Redis itself says: it is there. By the names that its drivers give such an error. */
const judge = (error: unknown): Judgement =>
  error instanceof Error && ["ReplyError", "UpstashError"].includes(error.name) ? "answer" : "failure";

export const ownLimits = ({
  redis,
  breaker,
  keyPrefix,
  enforcement,
  log,
  observe,
  now,
}: OwnLimitsDependencies): ChainDependencies["limits"] => ({
  admit: createRateLimiter({
    options: { leaseMs: LEASE_MS, deadlineMs: DEADLINE_MS },
    store: limitStoreOf(redis, keyPrefix),
    breaker,
    now,
    judge,
  }).check,
  limitsFor: limitsAs(enforcement),
  observe,
  report: createLimitReport(({ message, level: _, ...entry }) => log.warn(entry, String(message)), now),
});
