import type { OriginLog } from "../log/log.ts";

export interface TransitionLog {
  failed(error: unknown): void;
  succeeded(): void;
}

/**
 * Logs when a repeated job begins to fail and when it recovers, not every failure.
 *
 * @param what plural, for the log line: "security events for the webhook"
 * @param done past participle, such as "delivered"
 */
export const logTransitions = (what: string, done: string, log: OriginLog): TransitionLog => {
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
