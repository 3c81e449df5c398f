/** Admission under an adaptive limit: what is more than can be done in time waits shortly, or is shed. */
import type { Priority } from "../contract/policy.ts";
import type { Route } from "../contract/route.ts";
import {
  createOverloadLimit,
  type LimitDependencies,
  type LimitGauges,
  type Place,
} from "../resilience/concurrency-limit/concurrency-limit.ts";
import type { OverloadOptions } from "../resilience/concurrency-limit/options.ts";
import { type Admission, ShedError } from "./admission.ts";
import type { EndReason, Scope } from "./db/database.ts";
import { DeadlineError } from "./db/errors.ts";

export interface OverloadAdmission extends Admission {
  readonly gauges: LimitGauges;
}

/** How late it may be noticed that somebody has waited too long, milliseconds. */
const SWEEP_INTERVAL_MS = 20;
/** The queue is short: a second later much has changed. */
const RETRY_AFTER_S = 1;

const priorityOf = ({ method, policy }: Route): Priority =>
  policy.priority ?? (method === "GET" ? "read" : "write");

const ended = (reason: EndReason): DeadlineError => new DeadlineError(`the request has ended (${reason})`);

/** A statement may be stopped at its deadline before the request is told of it. */
const hasMissed = (error: unknown, scope: Scope): boolean =>
  error instanceof DeadlineError && scope.ended !== "abandoned";

/** Does the work, and tells its place how it ended. */
const workAt = async <T>(place: Place, scope: Scope, work: () => Promise<T>): Promise<T> => {
  try {
    const result = await work();
    place.answered();
    return result;
  } catch (error) {
    if (hasMissed(error, scope)) place.missed();
    else place.ignore();
    throw error;
  }
};

/**
 * @param dependencies.now milliseconds, fractions too, of a clock that is never set back and that all processes
 *   share, such as `epochNow`
 * @throws RangeError for options that make no sense
 */
export const createAdmission = (
  options: OverloadOptions,
  dependencies: LimitDependencies,
): OverloadAdmission => {
  const limit = createOverloadLimit(options, dependencies);
  // Capturing a stack is most of what it costs to shed, and it says nothing: all are told the same.
  const shed = new ShedError(RETRY_AFTER_S);
  let timer: NodeJS.Timeout | undefined;

  const sweep = (): void => {
    limit.sweep();
    if (limit.queued > 0) return;
    clearInterval(timer);
    timer = undefined;
  };

  const workLater = <T>(name: string, route: Route, scope: Scope, work: () => Promise<T>): Promise<T> =>
    new Promise((resolve, reject) => {
      const waiter = limit.wait(name, priorityOf(route), {
        admitted: (place) => {
          takeBack();
          resolve(workAt(place, scope, work));
        },
        shed: () => {
          takeBack();
          reject(shed);
        },
      });
      if (!waiter.isWaiting) {
        reject(shed);
        return;
      }
      const takeBack = scope.onEnd((reason) => {
        waiter.leave();
        reject(ended(reason));
      });
      timer ??= setInterval(sweep, SWEEP_INTERVAL_MS);
    });

  return {
    gauges: limit,
    run: (name, route, scope, work) => {
      if (scope.ended !== undefined) return Promise.reject(ended(scope.ended));
      const place = limit.tryEnter(name);
      return place === undefined ? workLater(name, route, scope, work) : workAt(place, scope, work);
    },
  };
};

const { timeOrigin } = performance;

/** Epoch milliseconds with their fractions, as the process' own clock goes on from its start: never set back. */
export const epochNow = (): number => timeOrigin + performance.now();
