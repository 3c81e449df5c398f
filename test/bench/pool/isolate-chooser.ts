/** One isolate of the simulation: the real balancer, hedges and retries, in virtual time. */
import { HEDGE_PERCENT, ORIGIN_BREAKER, RETRY_PERCENT } from "../../../src/edge/config.ts";
import { Balancer } from "../../../src/resilience/balancer/balancer.ts";
import type { EndpointPermit } from "../../../src/resilience/balancer/endpoint.ts";
import {
  createRetryBudget,
  LatencyHistogram,
  type Plan,
  planHedge,
  planRetry,
} from "../../../src/resilience/retries.ts";
import type { Agenda } from "../../resilience/concurrency-limit/support/agenda.ts";
import type { Job } from "./simulated-origin.ts";

export interface Surroundings {
  readonly events: Agenda;
  readonly random: () => number;
  readonly send: (origin: number, done: () => void) => Job;
  readonly cancel: (origin: number, job: Job) => void;
  readonly deadlineMs: number;
}

/** One isolate. */
export interface Chooser {
  /** @param ended called once, with whether the response came in time */
  request(ended: (isAnswered: boolean) => void): void;
}

// As in `src/edge/upstream/retries.ts` and `client.ts`.
const MAX_ATTEMPTS = 3;
const LONGEST_MS = 2_000;

interface Running {
  readonly attempt: EndpointPermit;
  readonly startedMs: number;
  readonly job: Job;
  readonly isProbe: boolean;
}

export const createChooser = (origins: number, surroundings: Surroundings): Chooser => {
  const { events, random, send, cancel, deadlineMs } = surroundings;
  const now = (): number => events.nowMs;
  const pool = new Balancer(
    Array.from({ length: origins }, () => 1),
    { ...ORIGIN_BREAKER, maxTimeoutMs: LONGEST_MS },
    { now, random },
  );
  const latencies = new LatencyHistogram();
  const hedges = createRetryBudget({ ratio: HEDGE_PERCENT / 100, max: 10, initial: 0 });
  const retries = createRetryBudget({ ratio: RETRY_PERCENT / 100, perSecond: 0.1, max: 50, initial: 10 });

  const request: Chooser["request"] = (ended) => {
    hedges.deposit();
    retries.deposit();
    const deadlineAtMs = now() + deadlineMs;
    const tried: number[] = [];
    const running: Running[] = [];
    let made = 0;
    let isOver = false;

    const leave = (losers: readonly Running[], winner: Running): void => {
      const { p95Ms = Number.POSITIVE_INFINITY } = latencies;
      for (const loser of losers) {
        // A probe runs to its end.
        if (loser.isProbe) continue;
        const elapsedMs = now() - loser.startedMs;
        if (running.indexOf(loser) < running.indexOf(winner)) loser.attempt.hedgeLost();
        else loser.attempt.ignore();
        if (elapsedMs >= p95Ms) latencies.add(elapsedMs);
        cancel(loser.attempt.origin, loser.job);
      }
    };

    const answered = (winner: Running): void => {
      isOver = true;
      winner.attempt.answered();
      if (!winner.isProbe) latencies.add(now() - winner.startedMs);
      leave(
        running.filter((each) => each !== winner),
        winner,
      );
      ended(true);
    };

    /** @returns whether it was sent */
    const start = (): boolean => {
      const isFirst = made === 0;
      const asking = { isRepeatable: true, mayProbe: isFirst };
      let attempt = pool.acquire({ ...asking, except: tried });
      if (!(isFirst || attempt.granted)) attempt = pool.acquire(asking);
      if (!attempt.granted) return false;
      const granted = attempt;
      made += 1;
      tried.push(granted.origin);
      const each: Running = {
        attempt: granted,
        startedMs: now(),
        job: send(granted.origin, () => (isOver ? granted.answered() : answered(each))),
        isProbe: granted.isProbe && isFirst,
      };
      running.push(each);
      return true;
    };

    const beLate = (): void => {
      if (isOver || made >= MAX_ATTEMPTS || !retries.withdraw(now())) return;
      if (!start()) retries.refund();
    };

    const waiting = { retryMode: "hedge", deadlineAtMs, latencies } as const;

    const wait = (plan: Plan | undefined): void => {
      if (plan !== undefined) events.at(plan.atMs, plan.next === "hedge" ? hedge : beLate);
    };

    const hedge = (): void => {
      if (isOver) return;
      if (running.some(({ isProbe }) => isProbe) || hedges.withdraw(now())) start();
      wait(planRetry(waiting, now()));
    };

    if (!start()) return ended(false);
    wait(planHedge(waiting, true, now()));
    events.at(deadlineAtMs, () => {
      if (isOver) return;
      isOver = true;
      for (const { attempt, job } of running) {
        attempt.unreachable("timed_out");
        cancel(attempt.origin, job);
      }
      ended(false);
    });
  };
  return { request };
};
