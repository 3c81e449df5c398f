/** A Hono application on a port, and its shutdown without a lost request. */
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import { Server as TcpServer } from "node:net";
import { getRequestListener, type HttpBindings } from "@hono/node-server";
import { withTimeout } from "../../lib/async.ts";

/** Longer than a proxy in front keeps an idle connection, so that none is closed under a request. */
const KEEP_ALIVE_TIMEOUT_MS = 75_000;

export type Listener = Awaited<ReturnType<typeof listen>>;

/** @throws the listening error, such as EADDRINUSE */
export const listen = async (
  fetch: (request: Request, bindings: HttpBindings) => Response | Promise<Response>,
  { host, port }: { host: string; port: number },
) => {
  const inFlight = new Set<ServerResponse>();
  let turningAwaySinceMs: number | undefined;
  const server = createServer({ keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS });
  const handle = getRequestListener((request, bindings) => {
    // Only an HTTP/2 server has other bindings.
    return "httpVersion" in bindings.incoming ? fetch(request, bindings as HttpBindings) : new Response(null);
  });
  server.on("request", (request, response) => {
    inFlight.add(response);
    if (turningAwaySinceMs !== undefined) response.setHeader("connection", "close");
    response.once("close", () => {
      inFlight.delete(response);
      if (inFlight.size === 0) server.emit("idle");
    });
    void handle(request, response);
  });
  server.listen(port, host);
  await once(server, "listening");
  const address = server.address();

  /** Continues to serve; every response asks its client to close the connection. */
  const turnAway = (): void => {
    turningAwaySinceMs ??= performance.now();
    for (const response of inFlight) if (!response.headersSent) response.setHeader("connection", "close");
  };

  /**
   * Accepts no new connections, lets requests in flight end, and cuts off the rest when the time is up.
   *
   * @param idleGraceMs how long after `turnAway` idle connections stay open, at most `timeoutMs`: a request may be on
   *   its way over one. @default 100
   * @returns how many requests were cut off
   */
  const close = async (timeoutMs: number, idleGraceMs = 100): Promise<number> => {
    turnAway();
    const turnedAwayMs = performance.now() - (turningAwaySinceMs ?? 0);
    // Emitted when no connection is left.
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
