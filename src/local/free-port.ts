/** TCP ports on 127.0.0.1. */
import { once } from "node:events";
import { createServer } from "node:net";

/** Listens briefly on `port`, and returns it; 0 takes a free one. */
const tryPort = async (port: number): Promise<number> => {
  const server = createServer();
  server.listen({ host: "127.0.0.1", port, exclusive: true });
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  return typeof address === "object" && address !== null ? address.port : port;
};

/** A port that was free a moment ago. */
export const freePort = (): Promise<number> => tryPort(0);

export const isPortFree = (port: number): Promise<boolean> =>
  tryPort(port).then(
    () => true,
    () => false,
  );

/** The port, if it is free, or another one. @param port 0 for any */
export const preferPort = async (port: number): Promise<number> =>
  port !== 0 && (await isPortFree(port)) ? port : await freePort();
