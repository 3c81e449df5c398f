/** One request and its response, on a connection of its own. */
import { connect } from "node:net";
import { type ReadResponse, ResponseReader } from "./response-reader.ts";

const TIMEOUT_MS = 5_000;

/**
 * @param request a complete HTTP/1.1 request
 * @throws Error without a response within 5 s
 */
export const exchange = (port: number, request: string): Promise<ReadResponse> => {
  const { promise, resolve, reject } = Promise.withResolvers<ReadResponse>();
  const reader = new ResponseReader();
  const socket = connect({ host: "127.0.0.1", port, noDelay: true, timeout: TIMEOUT_MS });
  socket.on("connect", () => socket.write(request));
  socket.on("data", (chunk) => {
    try {
      const response = reader.push(chunk);
      if (response !== undefined) resolve(response);
    } catch (error) {
      reject(error);
    }
  });
  socket.on("timeout", () => reject(new Error(`no answer within ${TIMEOUT_MS} ms`)));
  socket.on("error", reject);
  socket.on("close", () => reject(new Error("the connection was closed before the answer")));
  return promise.finally(() => socket.destroy());
};
