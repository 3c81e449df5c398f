/** An isolate on the simulated clock: the real limiter, with its steps performed by the simulation. */
import { costOf, type Limit } from "../../../../src/contract/policy.ts";
import type { LimitVerdict } from "../../../../src/middleware/rate-limit/limit-check.ts";
import {
  type BucketReply,
  type LimitedClient,
  limitKey,
} from "../../../../src/middleware/rate-limit/limit-store.ts";
import { Limiter } from "../../../../src/middleware/rate-limit/limiter.ts";
import type { Refill } from "../../../../src/middleware/rate-limit/refill.ts";
import {
  type Decided,
  RequestCheck,
  type Step,
} from "../../../../src/middleware/rate-limit/request-check.ts";
import { createBreaker } from "../../../../src/resilience/circuit-breaker/circuit-breaker.ts";
import type { Agenda } from "../../../resilience/concurrency-limit/support/agenda.ts";
import { SETTINGS } from "../support/scene.ts";
import type { Taken } from "./memory-limit-store.ts";
import type { Send } from "./simulated-network.ts";
import { TokenLedger } from "./token-ledger.ts";

export interface IsolateSurroundings {
  readonly agenda: Agenda;
  readonly send: Send;
  readonly random: () => number;
  /** Called for all tokens that leave the store. */
  readonly taken: Taken;
}

export type OnDecided = (verdict: LimitVerdict, waitedMs: number) => void;

export const startIsolate = (surroundings: IsolateSurroundings, initialSkewMs: number) => {
  const { agenda, send, random, taken } = surroundings;
  let skewMs = initialSkewMs;
  let isDead = false;
  const now = (): number => agenda.nowMs + skewMs;
  const limiter = new Limiter(SETTINGS, now);
  const ledger = new TokenLedger(SETTINGS.leaseMs);
  const breaker = createBreaker(
    { timeoutMs: 500, maxTimeoutMs: 1_000, halfOpenTimeoutMs: 2_000, rampMs: 0 },
    { now: () => Math.max(0, now()), random },
  );

  const perform = (refill: Refill, over: () => void): void => {
    const permit = breaker.tryAcquire();
    let isOver = false;
    const end = (replies: readonly BucketReply[] | undefined): void => {
      if (isOver || isDead) return;
      isOver = true;
      if (replies === undefined) refill.failed();
      else refill.answered(replies);
      if (permit.granted && replies === undefined) permit.fail();
      else if (permit.granted) permit.ok();
      over();
    };
    if (!permit.granted) {
      end(undefined);
      return;
    }
    send(refill.asks, end, (bucket, tokens) => {
      ledger.take(bucket, tokens, agenda.nowMs);
      taken(bucket, tokens);
    });
    agenda.after(refill.timeoutMs, () => end(undefined));
  };

  return {
    ledger,
    /** Sets the clock forward, or back if negative. */
    setClock: (byMs: number): void => {
      skewMs += byMs;
    },
    /** Abandons all requests and calls. */
    die: (): void => {
      isDead = true;
    },
    /** @param leavesAfterMs when the client leaves */
    request: (
      limits: readonly Limit[],
      client: LimitedClient,
      decided: OnDecided,
      leavesAfterMs = Number.POSITIVE_INFINITY,
    ): void => {
      const startedAtMs = agenda.nowMs;
      const check = new RequestCheck(limiter, limits, client);
      const finish = ({ verdict, refresh }: Decided): void => {
        if (refresh !== undefined) perform(refresh, () => undefined);
        for (const { limit, mode } of verdict.results)
          if (verdict.isAdmitted && (mode === "lease" || mode === "store"))
            ledger.use(limitKey(limit, client).bucket, costOf(limit), agenda.nowMs);
        decided(verdict, agenda.nowMs - startedAtMs);
      };
      /** Performs the steps until the client leaves; refills that were sent continue. */
      const go = (next: () => Step): void => {
        if (isDead || agenda.nowMs - startedAtMs >= leavesAfterMs) return;
        const step = next();
        if (step.kind === "refill") perform(step.refill, () => go(() => check.next()));
        else if (step.kind === "decided") finish(step);
        else if (breaker.state === "open") go(() => check.withoutStore());
        else agenda.after(step.ms, () => go(() => check.next()));
      };
      go(() => check.next());
    },
  };
};
