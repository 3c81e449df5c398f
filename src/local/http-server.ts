/** A Hono application served to this machine. */
import { once } from "node:events";
import { createServer } from "node:http";
import { getRequestListener } from "@hono/node-server";
import { withTimeout } from "../lib/async.ts";

/** How long requests in flight may take when the server stops. */
const DRAIN_MS = 1_000;
/** Longer than clients keep idle connections, so that none sends on a closing one. */
const KEEP_ALIVE_MS = 120_000;

export interface LocalServer {
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  /** Ends requests in flight within 1 s. May be called again. */
  stop(): Promise<void>;
}

/** @throws if the port is taken */
export const serveLocally = async (
  fetch: (request: Request) => Response | Promise<Response>,
  /** A free one by default. */
  port = 0,
): Promise<LocalServer> => {
  const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, getRequestListener(fetch));
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const actualPort = typeof address === "object" && address !== null ? address.port : port;
  const stop = async (): Promise<void> => {
    const closed = once(server, "close");
    server.close();
    await withTimeout(closed, DRAIN_MS, { fallback: [] });
    server.closeAllConnections();
    await closed;
  };
  let stopped: Promise<void> | undefined;
  return { url: `http://127.0.0.1:${actualPort}`, stop: () => (stopped ??= stop()) };
};
