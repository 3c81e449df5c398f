/** A Hono application on a port, and its end without a request lost. */
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { Server as TcpServer } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { getRequestListener } from "@hono/node-server";

export interface Listener {
  readonly port: number;
  /** Takes no new connections, lets requests in flight end, and closes what is left after the time is up. */
  close(timeoutMs: number): Promise<void>;
}

/** Longer than a proxy in front keeps an idle connection, so that it is never closed under a request. */
const KEEP_ALIVE_TIMEOUT_MS = 75_000;
/** A connection that was idle when the drain began may carry a request that is on its way, milliseconds. */
const IDLE_GRACE_MS = 100;

/** @throws the listening error, such as EADDRINUSE */
export const listen = async (
  fetch: (request: Request) => Response | Promise<Response>,
  { host, port }: { host: string; port: number },
): Promise<Listener> => {
  let inFlight = 0;
  let closing = false;
  const server: Server = createServer({ keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS });
  const handle = getRequestListener(fetch);
  server.on("request", (request, response) => {
    inFlight += 1;
    if (closing) response.setHeader("connection", "close");
    response.once("close", () => {
      inFlight -= 1;
      if (inFlight === 0) server.emit("idle");
    });
    void handle(request, response);
  });
  server.listen(port, host);
  await once(server, "listening");
  const address = server.address();

  const close = async (timeoutMs: number): Promise<void> => {
    closing = true;
    const closed = once(server, "close");
    // The HTTP server's own close() would end idle connections at once, under a request on its way.
    TcpServer.prototype.close.call(server);
    const deadline = new AbortController();
    // AbortSignal.timeout() would not keep the process alive until its time is up.
    const timer = setTimeout(() => deadline.abort(), timeoutMs);
    await pause(Math.min(IDLE_GRACE_MS, timeoutMs));
    while (inFlight > 0 && !deadline.signal.aborted) {
      await once(server, "idle", { signal: deadline.signal }).catch(() => undefined);
    }
    clearTimeout(timer);
    server.closeAllConnections();
    await closed;
  };
  return { port: typeof address === "object" && address !== null ? address.port : port, close };
};
