/**
 * A WebSocket in front of PostgreSQL for Neon's driver: its messages are the connection's bytes, as in
 * `wss://host/v1?address=host:port`. Every address leads to the same target.
 */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { type RawData, type WebSocket, WebSocketServer } from "ws";

export interface WebSocketProxyOptions {
  readonly host: string;
  readonly port: number;
}

export interface WebSocketProxy {
  /** On 127.0.0.1; its path is Neon's, `/v1`. */
  readonly port: number;
  /** Ends every connection. May be called again. */
  stop(): Promise<void>;
}

const host = "127.0.0.1";
const path = "/v1";
const maxMessageBytes = 16 * 1024 * 1024;
/** Above this, the database's socket is paused. */
const maxBufferedBytes = 1024 * 1024;

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
  // The database has closed, or was unreachable: its last data is sent before the WebSocket closes.
  socket.on("error", () => socket.destroy());
  socket.on("close", () => {
    // A paused WebSocket would miss the other end's close.
    webSocket.resume();
    webSocket.close();
  });
  webSocket.on("error", () => webSocket.terminate());
  webSocket.on("close", () => socket.destroy());
};

/** @throws when it cannot listen on 127.0.0.1 */
export const startWebSocketProxy = async (target: WebSocketProxyOptions): Promise<WebSocketProxy> => {
  const server = new WebSocketServer({
    ...{ host, port: 0, path },
    maxPayload: maxMessageBytes,
    perMessageDeflate: false,
  });
  server.on("connection", (webSocket: WebSocket) => join(webSocket, connect(target.port, target.host)));
  await once(server, "listening");
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("the WebSocket proxy has no port");
  return {
    port: address.port,
    stop: () =>
      new Promise((resolve) => {
        for (const client of server.clients) client.terminate();
        server.close(() => resolve());
      }),
  };
};
