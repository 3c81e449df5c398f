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

/** The platform's limit for work after a response: it has ended a run that takes longer. */
const PLATFORM_MS = 30_000;
/** No run starts later, so that the last one can finish, milliseconds. */
const RUN_MS = 24_000;
/**
 * A later request replaces an older loop, so that what is due within the next 12 s is done even if no request follows:
 * security events are due after 10 s.
 */
const HANDOVER_MS = 12_000;

interface Loop {
  readonly startedAtMs: number;
  isRunning: boolean;
}

/** @returns a function to call with every request: starts the loop if there is work and none is running */
export const createWaitUntilLoop = ({
  nextAtMs,
  run,
  intervalMs,
  now,
}: WaitUntilLoopDeps): ((waitUntil: WaitUntil) => void) => {
  let current: Loop | undefined;

  const carry = async (loop: Loop, waitUntil: WaitUntil): Promise<void> => {
    try {
      for (;;) {
        if (Math.max(now() + intervalMs, nextAtMs()) > loop.startedAtMs + RUN_MS) return;
        // Other work may become due earlier.
        await sleep(intervalMs);
        if (current !== loop) return;
        if (nextAtMs() > now()) continue;
        loop.isRunning = true;
        await run(waitUntil);
        loop.isRunning = false;
      }
    } finally {
      if (current === loop) current = undefined;
    }
  };

  const isCarried = (nowMs: number): boolean => {
    if (current === undefined) return false;
    const ageMs = nowMs - current.startedAtMs;
    // A clock that was set back does not block the loop for longer.
    return ageMs >= 0 && ageMs < (current.isRunning ? PLATFORM_MS : HANDOVER_MS);
  };

  return (waitUntil) => {
    const nowMs = now();
    if (isCarried(nowMs) || nextAtMs() === Number.POSITIVE_INFINITY) return;
    const loop: Loop = { startedAtMs: nowMs, isRunning: false };
    current = loop;
    // The work is for all requests, so it belongs to no request's trace.
    waitUntil(context.with(ROOT_CONTEXT, () => carry(loop, waitUntil)));
  };
};
