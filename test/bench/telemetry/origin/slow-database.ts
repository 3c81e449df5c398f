/** A way to PostgreSQL on which every answer takes longer. */
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

export interface SlowDatabase {
  readonly url: string;
  stop(): Promise<void>;
}

/** @param delayMs of everything that the server says */
export const startSlowDatabase = async (databaseUrl: string, delayMs: number): Promise<SlowDatabase> => {
  const target = new URL(databaseUrl);
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (client) => {
    const upstream = connect({ host: target.hostname, port: Number(target.port || 5432), noDelay: true });
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(socket);
      socket.on("error", () => undefined);
      socket.on("close", () => {
        sockets.delete(socket);
        other.destroy();
      });
    }
    client.on("data", (chunk) => upstream.write(chunk));
    // Timers of one length end in the order in which they were set.
    upstream.on("data", (chunk) => setTimeout(() => client.write(chunk), delayMs));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("not listening");
  const url = new URL(databaseUrl);
  url.host = `127.0.0.1:${address.port}`;
  return {
    url: url.href,
    stop: async () => {
      const closed = once(server, "close");
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
};
