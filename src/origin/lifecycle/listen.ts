/** Serves a Hono application on a port, and shuts down without losing a request. */
import { once } from "node:events";
import {
  createServer,
  type IncomingHttpHeaders,
  IncomingMessage,
  ServerResponse,
  STATUS_CODES,
} from "node:http";
import { Socket, Server as TcpServer } from "node:net";
import { getRequestListener, type HttpBindings, RequestError } from "@hono/node-server";
import { problem } from "../../contract/problem.ts";
import { withTimeout } from "../../lib/async.ts";
import { problemResponse } from "../../middleware/problems/index.ts";
import { closeIfUnread, hasBody } from "./unread-body.ts";

/**
 * Longer than any proxy in front keeps an idle connection: Envoy 1 h, GKE's balancers 600 s, cloudflared 90 s, nginx 60 s.
 * Otherwise the origin closes connections while a request is on its way, which fails unless the proxy repeats it.
 */
export const KEEP_ALIVE_TIMEOUT_MS = 3_900_000;
/** Idle time before TCP checks that the peer still exists, so that lost proxies leave no sockets, milliseconds. */
const PEER_CHECK_MS = 60_000;

/** Answers a request that is not valid HTTP. */
export type OnMalformed = (
  code: "invalid_request" | "request_timeout",
  peer: { readonly headers: IncomingHttpHeaders; readonly address: string | undefined },
) => Response;

const plainProblem: OnMalformed = (code) => problemResponse(problem(code), crypto.randomUUID());

const HEADERS_TOO_LARGE = "HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\n\r\n";

/** Ends the connection with the response. */
const writeRaw = async (socket: Socket, response: Response): Promise<void> => {
  const { status, headers } = response;
  const body = Buffer.from(await response.arrayBuffer());
  const fields = [...headers, ["connection", "close"], ["content-length", body.byteLength]];
  const lines = fields.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines}\r\n${body}`);
};

export type Listener = Awaited<ReturnType<typeof listen>>;

/**
 * @param malformed @default a problem without a report
 * @throws the listening error, such as EADDRINUSE
 */
export const listen = async (
  fetch: (request: Request, bindings: HttpBindings) => Response | Promise<Response>,
  { host, port }: { host: string; port: number },
  malformed: OnMalformed = plainProblem,
) => {
  const inFlight = new Set<ServerResponse>();
  let turningAwaySinceMs: number | undefined;
  // Node's own answer to a missing Host would have no body.
  const server = createServer({
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    ...{ keepAlive: true, keepAliveInitialDelay: PEER_CHECK_MS, requireHostHeader: false },
  });
  /** The listener builds a request, or fails to, before it returns. */
  let current: IncomingMessage | undefined;
  const rejected = ({ headers, socket }: Pick<IncomingMessage, "headers" | "socket">): Response =>
    malformed("invalid_request", { headers, address: socket.remoteAddress });
  const handle = getRequestListener(
    (request, { incoming, outgoing }) => {
      // HTTP/1.0 needs no Host, and the probes of some balancers send none.
      if (incoming.httpVersion !== "1.0" && incoming.headers.host === undefined) return rejected(incoming);
      // The adapter lets hosts pass that are no URL's, such as 1.2.3.4.5: reading the body would throw.
      if (!URL.canParse(request.url)) return rejected(incoming);
      // Only an HTTP/2 server has others.
      if (!(incoming instanceof IncomingMessage && outgoing instanceof ServerResponse))
        return new Response(null);
      const response = fetch(request, { incoming, outgoing });
      return hasBody(incoming) ? closeIfUnread(incoming, outgoing, response) : response;
    },
    {
      hostname: "localhost",
      errorHandler: (error) =>
        error instanceof RequestError && current !== undefined
          ? rejected(current)
          : new Response(null, { status: 500 }),
    },
  );
  server.on("request", (request, response) => {
    inFlight.add(response);
    if (turningAwaySinceMs !== undefined) response.setHeader("connection", "close");
    response.once("close", () => {
      inFlight.delete(response);
      if (inFlight.size === 0) server.emit("idle");
    });
    current = request;
    void handle(request, response);
  });
  server.on("clientError", (error, socket) => {
    const isAnswered = [...inFlight].some((response) => response.socket === socket);
    const code = "code" in error ? error.code : undefined;
    if (!(socket instanceof Socket) || !socket.writable || isAnswered || code === "ECONNRESET")
      socket.destroy(error);
    else if (code === "HPE_HEADER_OVERFLOW") socket.end(HEADERS_TOO_LARGE);
    else {
      const problemCode = code === "ERR_HTTP_REQUEST_TIMEOUT" ? "request_timeout" : "invalid_request";
      void writeRaw(socket, malformed(problemCode, { headers: {}, address: socket.remoteAddress }));
    }
  });
  // Without a host, Node listens on ::, which includes IPv4, or on 0.0.0.0 where the kernel has no IPv6.
  server.listen(port, host === "::" ? undefined : host);
  await once(server, "listening");
  const address = server.address();

  /** Continues to serve; every response asks its client to close the connection. */
  const turnAway = (): void => {
    turningAwaySinceMs ??= performance.now();
    for (const response of inFlight) if (!response.headersSent) response.setHeader("connection", "close");
  };

  /**
   * Accepts no new connections, lets requests in flight end, and cuts off the rest at the timeout.
   *
   * @param idleGraceMs how long idle connections stay open after `turnAway`, at most `timeoutMs`, for
   *   requests on their way. @default 100
   * @returns the number of requests that were cut off
   */
  const close = async (timeoutMs: number, idleGraceMs = 100): Promise<number> => {
    turnAway();
    const turnedAwayMs = performance.now() - (turningAwaySinceMs ?? 0);
    const closed = once(server, "close");
    // The HTTP server's own close() would end idle connections immediately, under a request on its way.
    TcpServer.prototype.close.call(server);
    const deadline = new AbortController();
    // AbortSignal.timeout() would not keep the process alive.
    const timer = setTimeout(() => deadline.abort(), timeoutMs);
    await withTimeout(closed, Math.max(0, Math.min(idleGraceMs - turnedAwayMs, timeoutMs)), { fallback: [] });
    while (inFlight.size > 0 && !deadline.signal.aborted) {
      await once(server, "idle", { signal: deadline.signal }).catch(() => undefined);
    }
    clearTimeout(timer);
    const cutOff = inFlight.size;
    server.closeAllConnections();
    await closed;
    return cutOff;
  };
  return {
    port: typeof address === "object" && address !== null ? address.port : port,
    turnAway,
    close,
  };
};
