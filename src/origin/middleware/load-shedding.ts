/**
 * Load shedding: requests run under an adaptive concurrency limit. Excess requests wait in a short queue by priority, or
 * are shed before any work is done for them.
 */
import type { Meter } from "@opentelemetry/api";
import type { Priority } from "../../contract/policy.ts";
import type { Route } from "../../contract/route.ts";
import {
  type ConcurrencyLimitOptions,
  createConcurrencyLimit,
  type LimitGauges,
  type Permit,
  PRIORITIES,
  SHED_REASONS,
  type Shed,
} from "../../resilience/concurrency-limit/concurrency-limit.ts";
import type { EndReason, Scope } from "../db/database.ts";
import { DeadlineError } from "../db/errors.ts";
import { readGauge } from "../metrics/instruments.ts";

/** The request was shed: none of its work has begun. */
export class ShedError extends Error {
  override readonly name = "ShedError";
  /** When to try again, seconds. */
  readonly retryAfterS: number;

  constructor(retryAfterS: number) {
    super("the origin is overloaded");
    this.retryAfterS = retryAfterS;
  }
}

export interface LoadShedding {
  readonly gauges: LimitGauges;
  /**
   * Runs the work at once, or after waiting for a permit.
   *
   * @param name the route's operation name
   * @throws ShedError if the work was not begun; DeadlineError if the request has ended; what the work throws
   */
  run<T>(name: string, route: Route, scope: Scope, work: () => Promise<T>): Promise<T>;
}

export interface LoadSheddingDependencies {
  readonly meter: Meter;
  /** Milliseconds of a monotonic clock that all processes share. @default the epoch's, with fractions */
  readonly now?: () => number;
}

/** Maximum delay before a request that has waited too long is shed. */
const SWEEP_INTERVAL_MS = 20;
/** The queue is short, so a second later there may be room. */
const RETRY_AFTER_S = 1;

const { timeOrigin } = performance;

/** Epoch milliseconds with fractions; monotonic. */
export const epochNow = (): number => timeOrigin + performance.now();

const priorityOf = ({ method, policy }: Route): Priority =>
  policy.priority ?? (method === "GET" ? "read" : "write");

const ended = (reason: EndReason): DeadlineError => new DeadlineError(`the request has ended (${reason})`);

/** A statement may be cancelled at its deadline before the scope ends. */
const hasMissedDeadline = (error: unknown, scope: Scope): boolean =>
  error instanceof DeadlineError && scope.ended !== "abandoned";

const runWithPermit = async <T>(permit: Permit, scope: Scope, work: () => Promise<T>): Promise<T> => {
  try {
    const result = await work();
    permit.release("ok");
    return result;
  } catch (error) {
    permit.release(hasMissedDeadline(error, scope) ? "missed" : "ignored");
    throw error;
  }
};

const createShedCounter = (meter: Meter): ((shed: Shed) => void) => {
  const counter = meter.createCounter("overload.shed", {
    description: "Requests shed before their work began, by priority and reason",
  });
  // Initialized so that rates exist before the first request is shed.
  for (const priority of PRIORITIES) for (const reason of SHED_REASONS) counter.add(0, { priority, reason });
  return ({ priority, reason }) => counter.add(1, { priority, reason });
};

const registerGauges = (meter: Meter, gauges: LimitGauges): void => {
  readGauge(meter, "overload.limit", "Maximum number of requests in progress", () => gauges.limit);
  readGauge(meter, "overload.in_flight", "Requests in progress", () => gauges.inFlight);
  readGauge(meter, "overload.queued", "Requests waiting for a permit", () => gauges.queued);
};

/** @throws RangeError for invalid options */
export const createLoadShedding = (
  options: ConcurrencyLimitOptions,
  { meter, now = epochNow }: LoadSheddingDependencies,
): LoadShedding => {
  const limit = createConcurrencyLimit(options, { now, onShed: createShedCounter(meter) });
  registerGauges(meter, limit);
  // Shared, because capturing a stack is most of the cost of shedding.
  const shedError = new ShedError(RETRY_AFTER_S);
  let timer: NodeJS.Timeout | undefined;

  const sweep = (): void => {
    limit.sweep();
    if (limit.queued > 0) return;
    clearInterval(timer);
    timer = undefined;
  };

  const runLater = <T>(name: string, route: Route, scope: Scope, work: () => Promise<T>): Promise<T> =>
    new Promise((resolve, reject) => {
      const waiting = limit.enqueue(name, priorityOf(route), {
        admitted: (permit) => {
          removeListener();
          resolve(runWithPermit(permit, scope, work));
        },
        shed: () => {
          removeListener();
          reject(shedError);
        },
      });
      if (waiting === "queue_full") {
        reject(shedError);
        return;
      }
      const removeListener = scope.onEnd((reason) => {
        waiting.leave();
        reject(ended(reason));
      });
      timer ??= setInterval(sweep, SWEEP_INTERVAL_MS);
    });

  return {
    gauges: limit,
    run: (name, route, scope, work) => {
      if (scope.ended !== undefined) return Promise.reject(ended(scope.ended));
      const permit = limit.tryAcquire(name);
      return permit === undefined ? runLater(name, route, scope, work) : runWithPermit(permit, scope, work);
    },
  };
};
