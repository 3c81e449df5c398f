/** A server in front of the bridge that adds latency, counts round trips, and can hang. */
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { buffer } from "node:stream/consumers";
import { sleep } from "../../../src/lib/async.ts";

export interface Front {
  readonly url: string;
  /** Requests so far. */
  readonly trips: number;
  /** From now on it accepts requests without a response. */
  hang(): void;
  /** It serves requests that come from now on. */
  recover(): void;
  /** Rejects the requests that it has kept. */
  release(): void;
  stop(): Promise<void>;
}

/** The bridge answers long before. */
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
  const held = new Set<ServerResponse>();
  let isHanging = false;
  let trips = 0;

  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    trips += 1;
    const body = await buffer(request);
    if (isHanging) {
      held.add(response);
      response.on("close", () => held.delete(response));
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
  server.listen({ host: "127.0.0.1", port: 0, backlog: 4_096 });
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the front has no port");
  return {
    url: `http://127.0.0.1:${address.port}`,
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
      for (const response of held) respond(response, 400, JSON.stringify({ error: "ERR the store hung" }));
    },
    stop: async () => {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
};
