/** A server in front of the bridge that adds latency, counts round trips, and can hang. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { buffer } from "node:stream/consumers";
import { sleep } from "../../../src/lib/async.ts";
import { close, listen } from "../../support/listen.ts";

export interface Front {
  readonly url: string;
  /** Requests so far. */
  readonly trips: number;
  /** Accepts requests from now on without responding. */
  hang(): void;
  /** Serves requests from now on. */
  recover(): void;
  /** Rejects the requests that hang. */
  release(): void;
  stop(): Promise<void>;
}

/** The bridge responds long before. */
const FORWARD_TIMEOUT_MS = 10_000;
/** Longer than that of any contestant. */
const KEEP_ALIVE_MS = 120_000;
const FORWARDED_HEADERS = ["authorization", "content-type", "upstash-encoding"] as const;

const forward = async (
  bridgeUrl: string,
  { url, method = "POST", headers }: IncomingMessage,
  body: Buffer,
) => {
  const forwarded = FORWARDED_HEADERS.flatMap((name): [string, string][] => {
    const value = headers[name];
    return typeof value === "string" ? [[name, value]] : [];
  });
  const response = await fetch(`${bridgeUrl}${url}`, {
    method,
    headers: forwarded,
    body: new Uint8Array(body),
    signal: AbortSignal.timeout(FORWARD_TIMEOUT_MS),
  });
  return { status: response.status, body: await response.text() };
};

const respond = (response: ServerResponse, status: number, body: string): void => {
  if (response.destroyed) return;
  response.writeHead(status, { "content-type": "application/json" }).end(body);
};

/** @param tripMs there and back */
export const startFront = async (bridgeUrl: string, tripMs: number): Promise<Front> => {
  const hanging = new Set<ServerResponse>();
  let isHanging = false;
  let trips = 0;

  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    trips += 1;
    const body = await buffer(request);
    if (isHanging) {
      hanging.add(response);
      response.on("close", () => hanging.delete(response));
      return;
    }
    await sleep(tripMs / 2);
    const answer = await forward(bridgeUrl, request, body);
    await sleep(tripMs / 2);
    respond(response, answer.status, answer.body);
  };

  const server = createServer((request, response) => {
    serve(request, response).catch((error: unknown) =>
      respond(response, 502, JSON.stringify({ error: String(error) })),
    );
  });
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  const port = await listen(server);
  return {
    url: `http://127.0.0.1:${port}`,
    get trips() {
      return trips;
    },
    hang: () => {
      isHanging = true;
    },
    recover: () => {
      isHanging = false;
    },
    release: () => {
      for (const response of hanging) respond(response, 400, JSON.stringify({ error: "ERR the store hung" }));
    },
    stop: () => close(server),
  };
};
