/** TCP ports on 127.0.0.1. */
import { once } from "node:events";
import { createServer } from "node:net";
import { LocalError } from "./local-error.ts";

const host = "127.0.0.1";

/** Listens for a moment on `port` (0: any free one) and answers which port it was. */
async function tryPort(port: number): Promise<number> {
  const server = createServer();
  server.listen({ host, port, exclusive: true });
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  return typeof address === "object" && address !== null ? address.port : port;
}

/** A port that nothing listened on a moment ago. */
export const freePort = (): Promise<number> => tryPort(0);

/** Whether `port` could be listened on a moment ago. */
export const isPortFree = (port: number): Promise<boolean> =>
  tryPort(port).then(
    () => true,
    () => false,
  );

const reasons: Readonly<Record<string, string>> = {
  EADDRINUSE: "is taken",
  EACCES: "needs privileges",
};

/**
 * Resolves when `port` is free.
 *
 * @param what what it is for, such as "the edge"
 * @throws LocalError when it cannot be listened on
 */
export async function assertPortFree(port: number, what: string): Promise<void> {
  try {
    await tryPort(port);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : String(error);
    const reason = reasons[code] ?? `cannot be used: ${code}`;
    const remedy = code === "EADDRINUSE" ? "stop what uses it or pass --port N" : "pass --port N";
    throw new LocalError(`port ${port} ${reason} (for ${what}): ${remedy}`, { cause: error });
  }
}
