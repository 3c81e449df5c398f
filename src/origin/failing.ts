/** Tells a failure when it begins and when it ends, not each time. */
import type { OriginLog } from "./log/log.ts";

export interface Failing {
  failed(error: unknown): void;
  succeeded(): void;
}

/** @param what in the plural, for the log: "security events for the webhook" @param done such as "delivered" */
export const failing = (what: string, done: string, log: OriginLog): Failing => {
  let isFailing = false;
  return {
    failed: (error) => {
      if (!isFailing) log.warn({ err: error }, `${what} cannot be ${done}`);
      isFailing = true;
    },
    succeeded: () => {
      if (isFailing) log.info(`${what} are ${done} again`);
      isFailing = false;
    },
  };
};
