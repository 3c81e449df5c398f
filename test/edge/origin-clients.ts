/** The client that both reads and writes of the edge go through, to origins over real HTTP. */

import type { AttemptEvent, AttemptRecord } from "../../src/edge/attempt-events.ts";
import { createOriginClient, type OriginClientOptions } from "../../src/edge/origin-client.ts";
import type { OriginAnswer } from "../../src/edge/origin-request.ts";
import type { RetryMode } from "../../src/resilience/hedging.ts";
import { testKey } from "../middleware/signature/signed-request.ts";
import { ours, type Upstream } from "./upstreams.ts";

export const KEY = testKey("k", 0);

export const well = ours(200);

interface SendOptions {
  readonly repetition?: RetryMode;
  readonly method?: string;
  readonly deadlineMs?: number;
}

export const clientTo = (
  upstreams: readonly Upstream[],
  options: OriginClientOptions = {},
  random = Math.random,
  now = Date.now,
) => {
  const events: AttemptEvent[] = [];
  const background: Promise<unknown>[] = [];
  const client = createOriginClient(
    upstreams,
    KEY,
    {
      now,
      random,
      fetch: (input, init) => fetch(input, init),
      log: () => undefined,
      observe: (event) => void events.push(event),
    },
    options,
  );
  const send = async ({ repetition = "hedge", method = "GET", deadlineMs = 5_000 }: SendOptions = {}) => {
    const trail: AttemptRecord[] = [];
    const answer = await client.send({
      route: "test",
      repetition,
      inBackground: (work) => void background.push(work),
      method,
      path: "/",
      query: "",
      headers: {},
      verdict: { auth: "none" },
      requestId: crypto.randomUUID(),
      clientAddress: "192.0.2.1",
      deadline: AbortSignal.timeout(deadlineMs),
      deadlineAtMs: now() + deadlineMs,
      trail,
    });
    return { answer, trail };
  };
  return { send, events, background };
};

/** A clock that can be put forward, and goes on like the real one meanwhile. */
export const clock = (running: () => number = Date.now) => {
  let laterMs = 0;
  return {
    now: () => running() + laterMs,
    pass: (ms: number): void => {
      laterMs += ms;
    },
  };
};
/** It stands still meanwhile: what answers takes no time. */
export const stoppedClock = () => {
  const nowMs = Date.now();
  return clock(() => nowMs);
};
export const statusOf = (answer: OriginAnswer): number | string =>
  answer.kind === "answered" ? answer.response.status : answer.kind;
export const textOf = async (answer: OriginAnswer): Promise<string> =>
  answer.kind === "answered" ? await answer.response.text() : answer.kind;
export const outcomes = (trail: readonly AttemptRecord[]): string[] => trail.map(({ outcome }) => outcome);
