/** This project's breaker, alone and composed as in the origin. */
import { untilEnd } from "../../../src/origin/db/database.ts";
import { withRetries } from "../../../src/origin/db/postgres.ts";
import { createDeadlines, Deadline } from "../../../src/origin/middleware/deadline.ts";
import {
  type Breaker,
  type BreakerOptions,
  createBreaker,
} from "../../../src/resilience/circuit-breaker/circuit-breaker.ts";

const create = (options: BreakerOptions = {}): Breaker =>
  createBreaker(options, { now: Date.now, random: () => 0.999 });
const judge = (): "failure" => "failure";

type Run = <T>(attempt: () => Promise<T>) => Promise<T>;

const under =
  (breaker: Breaker): Run =>
  (attempt) =>
    breaker.run(attempt, judge);

export const closedRun = (): Run => under(create());

/** The same without a promise of its own, for hot paths. */
export const closedPermit = (): (() => void) => {
  const breaker = create();
  return () => {
    const permit = breaker.tryAcquire();
    if (permit.granted) permit.ok();
  };
};

const LONG_MS = 3_600_000;

const openBreaker = (): Breaker => {
  const breaker = create({ timeoutMs: LONG_MS, maxTimeoutMs: LONG_MS });
  for (let turn = 0; turn < 5; turn += 1) {
    const permit = breaker.tryAcquire();
    if (permit.granted) permit.fail();
  }
  if (breaker.state !== "open") throw new Error("the breaker did not open");
  return breaker;
};

export const openRun = (): Run => under(openBreaker());

export const openPermit = (): (() => void) => {
  const breaker = openBreaker();
  return () => {
    if (breaker.tryAcquire().granted) throw new Error("the breaker is not open");
  };
};

/** Retries, breaker and deadline of a statement; the deadlines of all requests share one timer. */
export const stack = (timeoutMs: number): Run => {
  const run = closedRun();
  const deadlines = createDeadlines(Date.now);
  return async (attempt) => {
    const deadline = new Deadline("bench", Date.now() + timeoutMs, true);
    deadlines.enter(deadline);
    try {
      return await withRetries(
        deadline,
        () => run(() => untilEnd(deadline, attempt())),
        () => undefined,
      );
    } finally {
      deadlines.leave(deadline);
    }
  };
};

/** Never opens, and so counts any number of failures. */
export const everClosedRun = (): Run => under(create({ failureThreshold: 1e9, minimumCalls: 1e9 }));
