/** What stands before the bridge: the way to it, which takes its time, is counted, and may lead nowhere. */
import { once } from "node:events";
import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import { sleep } from "../../../src/lib/async.ts";

export interface Front {
  readonly url: string;
  /** Requests that have come. */
  readonly trips: number;
  /** From now on it takes requests, and answers none. */
  hang(): void;
  /** It answers those that come from now on. */
  recover(): void;
  /** Refuses those that it has not answered, so that nobody waits for them any more. */
  release(): void;
  stop(): Promise<void>;
}

const HOST = "127.0.0.1";
/** The bridge has answered long before. */
const FORWARD_TIMEOUT_MS = 10_000;
/** Longer than any contestant's. */
const KEEP_ALIVE_MS = 120_000;
const PASSED_HEADERS = ["authorization", "content-type", "upstash-encoding"] as const;

const bodyOf = async (message: IncomingMessage): Promise<Buffer> => {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk);
  return Buffer.concat(chunks);
};

const forward = async (bridgeUrl: string, agent: Agent, asked: IncomingMessage, body: Buffer) => {
  const headers: Record<string, string | number> = { "content-length": body.length };
  for (const name of PASSED_HEADERS) {
    const value = asked.headers[name];
    if (typeof value === "string") headers[name] = value;
  }
  const onward = request(`${bridgeUrl}${asked.url}`, {
    method: asked.method,
    headers,
    agent,
    timeout: FORWARD_TIMEOUT_MS,
  });
  onward.on("timeout", () => onward.destroy(new Error("the bridge does not answer")));
  onward.end(body);
  const [answer]: IncomingMessage[] = await once(onward, "response");
  if (answer === undefined) throw new Error("the bridge answered nothing");
  return { status: answer.statusCode ?? 502, body: await bodyOf(answer) };
};

const respond = (response: ServerResponse, status: number, body: string | Buffer): void => {
  if (response.destroyed) return;
  response.writeHead(status, { "content-type": "application/json" }).end(body);
};

/** @param tripMs the way there and back */
export const startFront = async (bridgeUrl: string, tripMs: number): Promise<Front> => {
  const agent = new Agent({ keepAlive: true });
  const held = new Set<ServerResponse>();
  let isHanging = false;
  let trips = 0;

  const serve = async (asked: IncomingMessage, response: ServerResponse): Promise<void> => {
    trips += 1;
    const body = await bodyOf(asked);
    if (isHanging) {
      held.add(response);
      response.on("close", () => held.delete(response));
      return;
    }
    await sleep(tripMs / 2);
    const answer = await forward(bridgeUrl, agent, asked, body);
    await sleep(tripMs / 2);
    respond(response, answer.status, answer.body);
  };

  const server = createServer((asked, response) => {
    serve(asked, response).catch((error: unknown) =>
      respond(response, 502, JSON.stringify({ error: String(error) })),
    );
  });
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  server.listen({ host: HOST, port: 0, backlog: 4_096 });
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the front has no port");

  const release = (): void => {
    for (const response of held) respond(response, 400, JSON.stringify({ error: "ERR it has hung" }));
  };
  return {
    url: `http://${HOST}:${address.port}`,
    get trips() {
      return trips;
    },
    hang: () => {
      isHanging = true;
    },
    recover: () => {
      isHanging = false;
    },
    release,
    stop: async () => {
      if (!server.listening) return;
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      agent.destroy();
      await closed;
    },
  };
};
