/**
 * What Neon's driver needs in front of a PostgreSQL: a WebSocket whose messages are the connection's bytes, as
 * in `wss://host/v1?address=host:port`. Whatever address is asked for, it leads to the one target.
 */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { type RawData, type WebSocket, WebSocketServer } from "ws";

export interface WebSocketProxyOptions {
  readonly host: string;
  readonly port: number;
  /** @default 200 */
  readonly maxConnections?: number;
}

export interface WebSocketProxy {
  /** Of 127.0.0.1; its path is `/v1`, as Neon's driver wants it. */
  readonly port: number;
  /** How many connections it carries. */
  connections(): number;
  /** Ends every connection. May be called again. */
  stop(): Promise<void>;
}

const host = "127.0.0.1";
const path = "/v1";
const maxMessageBytes = 16 * 1024 * 1024;
/** So much waits in the WebSocket before the database's socket is read further. */
const maxBufferedBytes = 1024 * 1024;
/** WebSocket close code "try again later". */
const overloaded = 1013;

const bytesOf = (data: RawData): Buffer => {
  if (Array.isArray(data)) return Buffer.concat(data);
  return data instanceof ArrayBuffer ? Buffer.from(data) : data;
};

const join = (webSocket: WebSocket, socket: Socket): void => {
  socket.setNoDelay(true);
  socket.on("data", (bytes) => {
    if (webSocket.readyState !== webSocket.OPEN) return;
    webSocket.send(bytes, () => {
      if (socket.isPaused() && webSocket.bufferedAmount < maxBufferedBytes) socket.resume();
    });
    if (webSocket.bufferedAmount >= maxBufferedBytes) socket.pause();
  });
  webSocket.on("message", (data: RawData) => {
    if (!socket.destroyed && !socket.write(bytesOf(data))) webSocket.pause();
  });
  socket.on("drain", () => webSocket.resume());
  // The database has closed, or was never reached: what it has sent goes out before the WebSocket closes.
  socket.on("error", () => socket.destroy());
  socket.on("close", () => {
    // One that is paused would not see the other end's closing.
    webSocket.resume();
    webSocket.close();
  });
  webSocket.on("error", () => webSocket.terminate());
  webSocket.on("close", () => socket.destroy());
};

/** @throws when it cannot listen on 127.0.0.1 */
export const startWebSocketProxy = async (target: WebSocketProxyOptions): Promise<WebSocketProxy> => {
  const { maxConnections = 200 } = target;
  const server = new WebSocketServer({
    ...{ host, port: 0, path },
    maxPayload: maxMessageBytes,
    perMessageDeflate: false,
  });
  server.on("connection", (webSocket: WebSocket) => {
    if (server.clients.size > maxConnections) return webSocket.close(overloaded);
    join(webSocket, connect({ host: target.host, port: target.port }));
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
