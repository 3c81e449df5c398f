/** TCP ports on 127.0.0.1. */
import { once } from "node:events";
import { createServer } from "node:net";
import { LocalError } from "./local-error.ts";

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

/**
 * @param purpose such as "the edge"
 * @throws LocalError if nothing can listen on the port
 */
export const assertPortFree = async (port: number, purpose: string): Promise<void> => {
  if (await isPortFree(port)) return;
  const remedy = "stop the program that uses it or pass --port N";
  throw new LocalError(`port ${port} is taken (for ${purpose}), or this user cannot use it: ${remedy}`);
};
