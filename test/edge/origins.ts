/** Origins over real HTTP, and the edge's client for them. */
import type { IncomingMessage, RequestListener } from "node:http";
import { internalHeaders } from "../../src/contract/internal-headers.ts";
import { HEDGE_PERCENT, ORIGIN_BREAKER, RETRY_PERCENT } from "../../src/edge/config.ts";
import type { AttemptRecord } from "../../src/edge/upstream/attempt.ts";
import {
  type AttemptEvent,
  createOriginClient,
  type OriginClientOptions,
  type OriginResponse,
} from "../../src/edge/upstream/client.ts";
import { clientIdentities } from "../../src/middleware/context/client.ts";
import { type ReceivedContext, readEdgeContext } from "../../src/middleware/signature/edge-context.ts";
import type { RetryMode } from "../../src/resilience/retries.ts";
import type { BreakerMetrics } from "../../src/telemetry/instruments.ts";
import { testKey } from "../middleware/signature/signed-request.ts";
import { serve, type TestServer } from "../support/listen.ts";

export interface Origin {
  readonly url: string;
  readonly authority: string;
  readonly weight: number;
  /** The requests received. */
  readonly received: readonly IncomingMessage[];
  handle(handler: RequestListener): void;
}

const servers: TestServer[] = [];

/** Call it after each test. */
export const stopOrigins = async (): Promise<void> => {
  await Promise.all(servers.splice(0).map(({ stop }) => stop()));
};

export const startOrigin = async (firstHandler: RequestListener, weight = 1): Promise<Origin> => {
  const received: IncomingMessage[] = [];
  let handler = firstHandler;
  const server = await serve((request, response) => {
    received.push(request);
    handler(request, response);
  });
  servers.push(server);
  const { url } = server;
  const handle: Origin["handle"] = (next) => {
    handler = next;
  };
  return { url, authority: new URL(url).host, weight, received, handle };
};

export const startTwo = async (
  first: RequestListener,
  second: RequestListener,
): Promise<[Origin, Origin]> => [await startOrigin(first), await startOrigin(second)];

export const requestIdOf = ({ headers }: IncomingMessage): string =>
  String(headers[internalHeaders.requestId]);

/** The signed context of a request from the edge. */
export const contextOf = (request: IncomingMessage | undefined): ReceivedContext | undefined =>
  readEdgeContext(String(request?.headers[internalHeaders.context] ?? ""), clientIdentities(2));

/** A response of the origin itself. */
export const respond =
  (status: number, body = "done", headers: Readonly<Record<string, string>> = {}): RequestListener =>
  (request, response) =>
    void response
      .writeHead(status, { [internalHeaders.requestId]: requestIdOf(request), ...headers })
      .end(body);
export const succeed = respond(200);
/** A response of a gateway before the origin. */
export const gateway =
  (status: number): RequestListener =>
  (_, response) =>
    void response.writeHead(status).end();
export const hang: RequestListener = () => undefined;
export const disconnect: RequestListener = (request) => void request.socket.resetAndDestroy();
export const delayed =
  (ms: number, handler: RequestListener): RequestListener =>
  (request, response) =>
    void setTimeout(() => handler(request, response), ms);

export const KEY = testKey("k", 0);

export interface SendOptions {
  readonly retryMode?: RetryMode;
  readonly method?: string;
  /** @default 5,000 */
  readonly deadlineMs?: number;
}

/** A write that may not be repeated. */
export const WRITE = { method: "POST", retryMode: "never" } as const;

/** @param options by default those of the configuration */
export const clientTo = (
  origins: readonly Origin[],
  options: Partial<OriginClientOptions> = {},
  random = Math.random,
  now = Date.now,
  breakers?: BreakerMetrics,
) => {
  const events: AttemptEvent[] = [];
  const lines: Readonly<Record<string, unknown>>[] = [];
  const background: Promise<unknown>[] = [];
  const client = createOriginClient(
    origins,
    KEY,
    {
      now,
      random,
      breakers,
      fetch: (input, init) => fetch(input, init),
      log: (entry) => void lines.push(entry),
      observe: (event) => void events.push(event),
    },
    { breaker: ORIGIN_BREAKER, retryPercent: RETRY_PERCENT, hedgePercent: HEDGE_PERCENT, ...options },
  );
  const send = async ({ retryMode = "hedge", method = "GET", deadlineMs = 5_000 }: SendOptions = {}) => {
    const attempts: AttemptRecord[] = [];
    const result = await client.send({
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
      deadlineAtMs: now() + deadlineMs,
      attempts,
    });
    return { result, attempts };
  };
  return { send, events, lines, background };
};

/** A clock that can be advanced. */
export const clock = (base: () => number = Date.now) => {
  let offsetMs = 0;
  return {
    now: () => base() + offsetMs,
    pass: (ms: number): void => {
      offsetMs += ms;
    },
  };
};
/** It moves only by `pass`: responses take no time. */
export const stoppedClock = () => {
  const nowMs = Date.now();
  return clock(() => nowMs);
};

export const statusOf = (result: OriginResponse): number | string =>
  result.kind === "answered" ? result.response.status : result.kind;
export const textOf = async (result: OriginResponse): Promise<string> =>
  result.kind === "answered" ? await result.response.text() : result.kind;
export const outcomesOf = (attempts: readonly AttemptRecord[]): string[] =>
  attempts.map(({ outcome }) => outcome);
