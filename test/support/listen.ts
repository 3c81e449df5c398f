/** Servers on 127.0.0.1. */
import { once } from "node:events";
import { createServer, type Server as HttpServer, type RequestListener } from "node:http";
import type { Server } from "node:net";

/** @param port @default any free port @returns the port */
export const listen = async (server: Server, port = 0): Promise<number> => {
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("the server has no port");
  return address.port;
};

/** Ends the server and its connections. May be called again. */
export const close = async (server: HttpServer): Promise<void> => {
  if (!server.listening) return;
  const closed = once(server, "close");
  server.close();
  server.closeAllConnections();
  await closed;
};

export interface TestServer {
  readonly url: string;
  stop(): Promise<void>;
}

export const serve = async (listener: RequestListener): Promise<TestServer> => {
  const server = createServer(listener);
  const port = await listen(server);
  return { url: `http://127.0.0.1:${port}`, stop: () => close(server) };
};
