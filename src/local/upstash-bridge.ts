/** Upstash's REST protocol over the local Redis, so that what is deployed against Upstash runs unchanged. */
import { createHash, timingSafeEqual } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import type { RedisClient } from "./redis-client.ts";
import { endpoints, type Json, Refusal, toBase64, toText } from "./upstash-protocol.ts";

const host = "127.0.0.1";
const maxBodyBytes = 10 * 1024 * 1024;
/** Longer than clients keep theirs, so that none sends on a connection that is about to be closed. */
const keepAliveMs = 120_000;
/** How long requests under way may take once the bridge stops. */
const drainMs = 1_000;

export interface UpstashBridgeOptions {
  readonly client: RedisClient;
  /** What callers must send as their bearer token. */
  readonly token: string;
  /** @default a free one */
  readonly port?: number;
}

export interface UpstashBridge {
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  readonly token: string;
  /** Ends requests under way within 1 s; leaves the client as it is. May be called again. */
  stop(): Promise<void>;
}

/**
 * Serves `POST /` (a command), `POST /pipeline` and `POST /multi-exec` (lists of commands) on 127.0.0.1.
 *
 * Answers 400 to what the server or the protocol refuses, 401 to another token, 413 to a body over 10 MiB, 503
 * while the server cannot be reached. Commands that would change or hold the connection that all callers share
 * (SUBSCRIBE, BLPOP, SELECT, …) are refused.
 *
 * @throws when the port is taken
 */
export async function startUpstashBridge(options: UpstashBridgeOptions): Promise<UpstashBridge> {
  const { client, token, port = 0 } = options;
  const isAuthorized = bearerCheck(token);
  const server = createServer((request, response) => {
    const answer = isAuthorized(request)
      ? serve(client, request)
      : Promise.reject(new Refusal(401, "Unauthorized"));
    void answer.then(
      (body) => respond(response, 200, body),
      (error: unknown) => respondError(response, error),
    );
  });
  server.keepAliveTimeout = keepAliveMs;
  server.listen({ host, port });
  await once(server, "listening");
  const address = server.address();
  const actualPort = typeof address === "object" && address !== null ? address.port : port;
  return { url: `http://${host}:${actualPort}`, token, stop: () => stopServer(server) };
}

/** Compares digests, which have one length, in constant time. */
function bearerCheck(token: string): (request: IncomingMessage) => boolean {
  const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
  const expected = digest(`Bearer ${token}`);
  return ({ headers }) => timingSafeEqual(digest(headers.authorization ?? ""), expected);
}

async function serve(client: RedisClient, request: IncomingMessage): Promise<Json> {
  const endpoint = request.method === "POST" ? endpoints[request.url ?? "/"] : undefined;
  if (endpoint === undefined)
    throw new Refusal(404, `ERR no such endpoint: ${request.method} ${request.url}`);
  const encode = request.headers["upstash-encoding"] === "base64" ? toBase64 : toText;
  return endpoint(client, parseJson(await readBody(request)), encode);
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    bytes += chunk.length;
    if (bytes > maxBodyBytes) throw new Refusal(413, `ERR max request size exceeded: ${maxBodyBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Refusal(400, "ERR failed to parse the request: it is not JSON");
  }
}

function respondError(response: ServerResponse, error: unknown): void {
  const refusal =
    error instanceof Refusal ? error : new Refusal(503, `ERR Redis does not answer: ${String(error)}`);
  // What was not read of the request would be taken for the next one.
  if (!response.req.complete) response.setHeader("connection", "close");
  respond(response, refusal.status, { error: refusal.message });
}

function respond(response: ServerResponse, status: number, body: Json): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}

async function stopServer(server: Server): Promise<void> {
  if (!server.listening) return;
  const closed = once(server, "close");
  server.close();
  const timer = new AbortController();
  const timeout = pause(drainMs, undefined, { signal: timer.signal }).catch(() => {});
  await Promise.race([closed, timeout]);
  timer.abort();
  server.closeAllConnections();
  await closed;
}
