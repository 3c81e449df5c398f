/**
 * Ends a connection whose request's body was not read. The response says so (RFC 9112 §9.6), and is on its way before the
 * connection closes: to close at once would reset it, and a client that still sends would lose the response.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";

/** The rest of a body is discarded for this time, and for so long after its last part. nginx has the same. */
const LINGER_MS = 30_000;
const IDLE_MS = 5_000;

export const hasBody = ({ headers }: IncomingMessage): boolean =>
  headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;

/** Node calls it after a response with `Connection: close`. */
const linger = (incoming: IncomingMessage, socket: Socket): void => {
  socket.destroySoon = () => undefined;
  socket.end();
  // Whatever has read a part of the body would stop the rest.
  incoming.removeAllListeners("data").resume();
  socket.setTimeout(IDLE_MS, () => socket.destroy());
  const timer = setTimeout(() => socket.destroy(), LINGER_MS);
  socket.once("close", () => clearTimeout(timer));
};

/** @returns the same response, once it is known whether its request's body has arrived */
export const closeIfUnread = async (
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  responding: Response | Promise<Response>,
): Promise<Response> => {
  const response = await responding;
  // What came with the header has not been parsed yet.
  if (!incoming.complete) await new Promise((resolve) => setImmediate(resolve));
  if (!incoming.complete && !outgoing.headersSent) {
    outgoing.setHeader("connection", "close");
    const { socket } = incoming;
    socket.destroySoon = () => linger(incoming, socket);
  }
  return response;
};
