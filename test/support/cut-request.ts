/** A request whose client does not stay for the answer. */
import { connect } from "node:net";
import { setTimeout as pause } from "node:timers/promises";

export interface CutRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** How long the connection outlives the request's last byte, milliseconds. */
  readonly afterMs: number;
}

/** Resolves when the connection is gone, with whether something of an answer had come. */
export const sendAndCut = async ({ method, url, headers, body, afterMs }: CutRequest): Promise<boolean> => {
  const { host, hostname, port, pathname } = new URL(url);
  const fields = { host, ...headers, "content-length": String(Buffer.byteLength(body)) };
  const head = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
  const socket = connect(Number(port), hostname);
  let isAnswered = false;
  socket.on("data", () => {
    isAnswered = true;
  });
  // The edge may end it first.
  socket.on("error", () => undefined);
  const closed = new Promise<void>((resolve) => void socket.once("close", () => resolve()));
  await new Promise<void>((resolve) => {
    void closed.then(resolve);
    socket.write(`${method} ${pathname} HTTP/1.1\r\n${head.join("")}\r\n${body}`, () => resolve());
  });
  if (afterMs > 0) await Promise.race([pause(afterMs), closed]);
  socket.destroy();
  await closed;
  return isAnswered;
};
