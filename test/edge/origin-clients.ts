/** The client that both reads and writes of the edge go through, to origins over real HTTP. */

import type { AttemptRecord } from "../../src/edge/upstream/attempt.ts";
import {
  type AttemptEvent,
  createOriginClient,
  type OriginClientOptions,
  type OriginResponse,
} from "../../src/edge/upstream/client.ts";
import type { RetryMode } from "../../src/resilience/retries.ts";
import { testKey } from "../middleware/signature/signed-request.ts";
import { ours, type Upstream } from "./upstreams.ts";

export const KEY = testKey("k", 0);

export const well = ours(200);

export interface SendOptions {
  readonly retryMode?: RetryMode;
  readonly method?: string;
  /** What is left of the deadline, as the request says. @default 5,000 */
  readonly deadlineMs?: number;
  /** When it is really over. @default at that time */
  readonly signal?: AbortSignal;
}

export const clientTo = (
  upstreams: readonly Upstream[],
  options: OriginClientOptions = {},
  random = Math.random,
  now = Date.now,
) => {
  const events: AttemptEvent[] = [];
  const lines: Readonly<Record<string, unknown>>[] = [];
  const background: Promise<unknown>[] = [];
  const client = createOriginClient(
    upstreams,
    KEY,
    {
      now,
      random,
      fetch: (input, init) => fetch(input, init),
      log: (entry) => void lines.push(entry),
      observe: (event) => void events.push(event),
    },
    options,
  );
  const send = async ({
    retryMode = "hedge",
    method = "GET",
    deadlineMs = 5_000,
    signal,
  }: SendOptions = {}) => {
    const trail: AttemptRecord[] = [];
    const answer = await client.send({
      route: "test",
      retryMode,
      waitUntil: (work) => void background.push(work),
      method,
      path: "/",
      query: "",
      headers: {},
      identity: { auth: "none" },
      requestId: crypto.randomUUID(),
      client: "192.0.2.1",
      signal: signal ?? AbortSignal.timeout(deadlineMs),
      deadlineAtMs: now() + deadlineMs,
      attempts: trail,
    });
    return { answer, trail };
  };
  return { send, events, lines, background };
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
export const statusOf = (answer: OriginResponse): number | string =>
  answer.kind === "answered" ? answer.response.status : answer.kind;
export const textOf = async (answer: OriginResponse): Promise<string> =>
  answer.kind === "answered" ? await answer.response.text() : answer.kind;
export const outcomes = (trail: readonly AttemptRecord[]): string[] => trail.map(({ outcome }) => outcome);
