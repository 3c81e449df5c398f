/**
 * Load shedding: requests run under an adaptive concurrency limit. Excess requests wait in a short queue by
 * priority, or are shed before their work begins. A route may have a fixed limit besides, a bulkhead
 * (https://resilience4j.readme.io/docs/bulkhead), so that it cannot take all connections.
 */
import type { Meter } from "@opentelemetry/api";
import type { Priority } from "../../contract/policy.ts";
import type { Route } from "../../contract/route.ts";
import {
  ConcurrencyLimit,
  type ConcurrencyLimitOptions,
  type LimitGauges,
  type Permit,
  PRIORITIES,
  SHED_REASONS,
} from "../../resilience/concurrency-limit/concurrency-limit.ts";
import type { EndReason, Scope } from "../db/database.ts";
import { DeadlineError } from "../db/errors.ts";
import { readGauge } from "../metrics/instruments.ts";

/** The request was shed: its work has not begun. */
export class ShedError extends Error {
  override readonly name = "ShedError";
}

/** The request's route has too many requests in progress, while others may have none. Its work has not begun. */
export class RouteBusyError extends Error {
  override readonly name = "RouteBusyError";
}

/** Maximum delay before a request that has waited too long is shed. */
const SWEEP_INTERVAL_MS = 20;

const { timeOrigin } = performance;

/** Epoch milliseconds with fractions; monotonic. */
const epochNow = (): number => timeOrigin + performance.now();

const priorityOf = ({ method, policy }: Route): Priority =>
  policy.priority ?? (method === "GET" ? "read" : "write");

const ended = (reason: EndReason): DeadlineError => new DeadlineError(`the request has ended (${reason})`);

const runWithPermit = async <T>(permit: Permit, scope: Scope, work: () => Promise<T>): Promise<T> => {
  try {
    const result = await work();
    permit.release("ok");
    return result;
  } catch (error) {
    // A statement may be canceled at its deadline before the scope ends.
    const hasMissedDeadline = error instanceof DeadlineError && scope.ended !== "abandoned";
    permit.release(hasMissedDeadline ? "missed" : "ignored");
    throw error;
  }
};

const createShedCounter = (meter: Meter) => {
  const counter = meter.createCounter("overload.shed", {
    description: "Requests shed before their work began, by priority and reason",
  });
  // Initialized so that rates exist before the first request is shed.
  for (const priority of PRIORITIES) for (const reason of SHED_REASONS) counter.add(0, { priority, reason });
  return counter;
};

const registerGauges = (meter: Meter, gauges: LimitGauges): void => {
  readGauge(meter, "overload.limit", "Maximum number of requests in progress", () => gauges.limit);
  readGauge(meter, "overload.in_flight", "Requests in progress", () => gauges.inFlight);
  readGauge(meter, "overload.queued", "Requests waiting for a permit", () => gauges.queued);
};

export type LoadShedding = ReturnType<typeof createLoadShedding>;

interface LoadSheddingDeps {
  readonly meter: Meter;
  /** By operation name. @default none has a maximum of its own */
  readonly routes?: Readonly<Record<string, Route>>;
  /** Milliseconds of a monotonic clock that all processes share. */
  readonly now?: () => number;
}

export const createLoadShedding = (
  options: ConcurrencyLimitOptions,
  { meter, routes = {}, now = epochNow }: LoadSheddingDeps,
) => {
  const shedCounter = createShedCounter(meter);
  const limit = new ConcurrencyLimit(options, {
    now,
    onShed: ({ priority, reason }) => shedCounter.add(1, { priority, reason }),
  });
  const readings: LimitGauges = limit;
  registerGauges(meter, readings);
  const busyCounter = meter.createCounter("bulkhead.rejected", {
    description: "Requests rejected because their route had its maximum in progress, by route",
  });
  /** The limits of routes, by operation name. */
  const bulkheads = new Map<string, ConcurrencyLimit>();
  for (const [name, { path, policy }] of Object.entries(routes)) {
    const { maxConcurrent: max } = policy;
    if (max === undefined) continue;
    const fixed = { initialLimit: max, minLimit: max, maxLimit: max };
    const onShed = () => busyCounter.add(1, { "http.route": path });
    bulkheads.set(name, new ConcurrencyLimit({ ...options, ...fixed }, { now, onShed }));
    // The series exists from the start, so that its first increment counts in rates.
    busyCounter.add(0, { "http.route": path });
  }
  // Shared, because capturing a stack is most of the cost of shedding.
  const shedError = new ShedError("the origin is overloaded");
  const busyError = new RouteBusyError("the route is busy");
  let timer: NodeJS.Timeout | undefined;

  const sweep = (): void => {
    const all = [limit, ...bulkheads.values()];
    for (const each of all) each.sweep();
    if (all.some(({ queued }) => queued > 0)) return;
    clearInterval(timer);
    timer = undefined;
  };

  const waitForPermit = (from: ConcurrencyLimit, name: string, route: Route, scope: Scope): Promise<Permit> =>
    new Promise((resolve, reject) => {
      const error = from === limit ? shedError : busyError;
      const waiting = from.enqueue(name, priorityOf(route), {
        admitted: (permit) => {
          removeListener();
          resolve(permit);
        },
        shed: () => {
          removeListener();
          reject(error);
        },
      });
      if (waiting === "queue_full") {
        reject(error);
        return;
      }
      const removeListener = scope.onEnd((reason) => {
        waiting.leave();
        reject(ended(reason));
      });
      timer ??= setInterval(sweep, SWEEP_INTERVAL_MS);
    });

  const runUnder = async <T>(
    limiting: ConcurrencyLimit,
    name: string,
    route: Route,
    scope: Scope,
    work: () => Promise<T>,
  ): Promise<T> => {
    const permit = limiting.tryAcquire(name) ?? (await waitForPermit(limiting, name, route, scope));
    return await runWithPermit(permit, scope, work);
  };

  return {
    gauges: readings,
    /**
     * Runs the work at once, or after waiting for a permit.
     *
     * @param name the route's operation name
     * @throws ShedError or RouteBusyError if the work has not begun; DeadlineError if the request has ended;
     *   what the work throws
     */
    run: <T>(name: string, route: Route, scope: Scope, work: () => Promise<T>): Promise<T> => {
      if (scope.ended !== undefined) return Promise.reject(ended(scope.ended));
      const bulkhead = bulkheads.get(name);
      const runShared = (): Promise<T> => runUnder(limit, name, route, scope, work);
      return bulkhead === undefined ? runShared() : runUnder(bulkhead, name, route, scope, runShared);
    },
  };
};
