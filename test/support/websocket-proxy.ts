/**
 * What Neon's driver needs in front of a PostgreSQL: a WebSocket whose messages are the connection's bytes, as
 * in `wss://host/v1?address=host:port`. Whatever address is requested, it leads to the one target.
 */
import { once } from "node:events";
import { connect } from "node:net";
import { createWebSocketStream, type WebSocket, WebSocketServer } from "ws";

export interface WebSocketProxyOptions {
  readonly host: string;
  readonly port: number;
}

export interface WebSocketProxy {
  /** Of 127.0.0.1; its path is `/v1`, as Neon's driver wants it. */
  readonly port: number;
  /** How many connections it carries. */
  connections(): number;
  /** Ends every connection. May be called again. */
  stop(): Promise<void>;
}

/** @throws when it cannot listen on 127.0.0.1 */
export const startWebSocketProxy = async (target: WebSocketProxyOptions): Promise<WebSocketProxy> => {
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0, path: "/v1", perMessageDeflate: false });
  server.on("connection", (webSocket: WebSocket) => {
    const socket = connect(target).setNoDelay(true);
    const stream = createWebSocketStream(webSocket);
    stream.pipe(socket).pipe(stream);
    socket.on("error", () => webSocket.terminate());
    stream.on("error", () => socket.destroy());
    webSocket.on("close", () => socket.destroy());
  });
  await once(server, "listening");
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("the WebSocket proxy has no port");
  return {
    port: address.port,
    connections: () => server.clients.size,
    stop: () =>
      new Promise((resolve) => {
        for (const client of server.clients) client.terminate();
        server.close(() => resolve());
      }),
  };
};
