/**
 * Background work of an isolate, independent of any request. Workers run nothing outside a request: so one request carries
 * the loop in its `waitUntil` for as long as the platform allows, and then another one takes over.
 */
import { context, ROOT_CONTEXT } from "@opentelemetry/api";
import { sleep } from "../lib/async.ts";
import type { WaitUntil } from "../middleware/context/index.ts";

export interface WaitUntilLoopDeps {
  /** When work is due, epoch milliseconds; undefined if there is none. */
  readonly nextAtMs: () => number | undefined;
  /** Does the work. An error ends this request's loop. */
  readonly run: (waitUntil: WaitUntil) => Promise<void>;
  /** Least time between two runs, and before the first, milliseconds. */
  readonly intervalMs: number;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

/** The platform's limit for work after a response; a loop that is silent for longer was ended by it. */
const PLATFORM_MS = 30_000;
/** No run starts later, so that the last one has time to finish, milliseconds. */
const RUN_MS = 24_000;

/** @returns to be called with every request: starts the loop if work is due and no other request carries it */
export const createWaitUntilLoop = ({
  nextAtMs,
  run,
  intervalMs,
  now,
}: WaitUntilLoopDeps): ((waitUntil: WaitUntil) => void) => {
  let carriedUntilMs = Number.NEGATIVE_INFINITY;

  const loop = async (untilMs: number, waitUntil: WaitUntil): Promise<void> => {
    try {
      for (;;) {
        const dueAtMs = nextAtMs();
        if (dueAtMs === undefined || Math.max(now() + intervalMs, dueAtMs) > untilMs) return;
        // Other work may become due earlier.
        await sleep(intervalMs);
        if ((nextAtMs() ?? Number.POSITIVE_INFINITY) <= now()) await run(waitUntil);
      }
    } finally {
      if (carriedUntilMs === untilMs - RUN_MS + PLATFORM_MS) carriedUntilMs = Number.NEGATIVE_INFINITY;
    }
  };

  return (waitUntil) => {
    const nowMs = now();
    // A clock that was set back does not block the loop for longer.
    const isCarried = nowMs < carriedUntilMs && carriedUntilMs - nowMs <= PLATFORM_MS;
    if (isCarried || nextAtMs() === undefined) return;
    carriedUntilMs = nowMs + PLATFORM_MS;
    // In no request's trace: the work is that of others too.
    waitUntil(context.with(ROOT_CONTEXT, () => loop(nowMs + RUN_MS, waitUntil)));
  };
};
