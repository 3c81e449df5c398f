import type { Scope } from "./database.ts";
import { DeadlineError } from "./errors.ts";

/**
 * What comes first: what a promise gives, or the request's end; what comes later is not heard.
 *
 * @throws DeadlineError at the request's end
 */
export const untilEnd = <T>(scope: Scope, pending: Promise<T>): Promise<T> =>
  new Promise((resolve, reject) => {
    const takeBack = scope.onEnd((reason) => reject(new DeadlineError(`the request has ended (${reason})`)));
    pending.then(
      (value) => {
        takeBack();
        resolve(value);
      },
      (error: unknown) => {
        takeBack();
        reject(error);
      },
    );
  });
