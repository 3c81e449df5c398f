/**
 * Background work of an isolate. Workers run nothing outside a request, so one request carries the loop in
 * its `waitUntil` for as long as the platform allows; then another one takes over.
 */
import { context, ROOT_CONTEXT } from "@opentelemetry/api";
import { sleep } from "../lib/async.ts";
import type { WaitUntil } from "../middleware/context/index.ts";

export interface WaitUntilLoopDeps {
  /** Time at which work is due, epoch milliseconds; Infinity without work. */
  readonly nextAtMs: () => number;
  /** An error ends this request's loop. */
  readonly run: (waitUntil: WaitUntil) => Promise<void>;
  /** Minimum time before each run, milliseconds. */
  readonly intervalMs: number;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

/** The platform's limit for work after a response: it has ended a loop that is silent for longer. */
const PLATFORM_MS = 30_000;
/** No run starts later, so that the last one can finish, milliseconds. */
const RUN_MS = 24_000;

/** @returns a function to call with every request: starts the loop if there is work and none is running */
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
        if (Math.max(now() + intervalMs, nextAtMs()) > untilMs) return;
        // Other work may become due earlier.
        await sleep(intervalMs);
        if (nextAtMs() <= now()) await run(waitUntil);
      }
    } finally {
      if (carriedUntilMs === untilMs - RUN_MS + PLATFORM_MS) carriedUntilMs = Number.NEGATIVE_INFINITY;
    }
  };

  return (waitUntil) => {
    const nowMs = now();
    // A clock that was set back does not block the loop for longer.
    const isCarried = nowMs < carriedUntilMs && carriedUntilMs - nowMs <= PLATFORM_MS;
    if (isCarried || nextAtMs() === Number.POSITIVE_INFINITY) return;
    carriedUntilMs = nowMs + PLATFORM_MS;
    // The work is for all requests, so it belongs to no request's trace.
    waitUntil(context.with(ROOT_CONTEXT, () => loop(nowMs + RUN_MS, waitUntil)));
  };
};
