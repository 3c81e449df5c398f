/** Requests at a steady rate, without waiting for responses: what clients, a greedy client or a scanner send. */

export interface LoadRequest {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
}

export interface Load {
  readonly requestsPerSecond: number;
  /** Replaces the present rate; 0 sends nothing. @param atOnce sent first @default none */
  set(requestsPerSecond: number, atOnce?: number): void;
}

const STEP_MS = 25;
/** Above this number of requests without a response none is sent. */
const MAX_IN_FLIGHT = 300;
const TIMEOUT_MS = 10_000;

/** @param next the request to send, by its number */
export const createLoad = (edgeUrl: () => string, next: (index: number) => LoadRequest): Load => {
  let timer: NodeJS.Timeout | undefined;
  let rate = 0;
  let due = 0;
  let sent = 0;
  let inFlight = 0;
  let lastMs = 0;

  const send = async (): Promise<void> => {
    const { path, headers } = next(sent);
    sent += 1;
    inFlight += 1;
    try {
      const signal = AbortSignal.timeout(TIMEOUT_MS);
      const response = await fetch(`${edgeUrl()}${path}`, { headers, signal, redirect: "manual" });
      await response.arrayBuffer();
    } catch {
      // The page shows it as an error of the edge, or the edge is away.
    } finally {
      inFlight -= 1;
    }
  };
  const step = (): void => {
    const nowMs = performance.now();
    // After a pause of this process it does not catch up.
    due = Math.min(due + ((nowMs - lastMs) / 1_000) * rate, Math.max(due, rate));
    lastMs = nowMs;
    for (; due >= 1; due -= 1) if (inFlight < MAX_IN_FLIGHT) void send();
  };
  return {
    get requestsPerSecond() {
      return rate;
    },
    set: (requestsPerSecond, atOnce = 0) => {
      rate = requestsPerSecond;
      due = atOnce;
      lastMs = performance.now();
      if (rate === 0) {
        clearInterval(timer);
        timer = undefined;
      } else timer ??= setInterval(step, STEP_MS);
    },
  };
};
