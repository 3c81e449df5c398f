/** A way to a TCP server that can be shut: connections stay, and nothing comes through. */
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

export interface Door {
  readonly port: number;
  /** From now on nothing comes through, in either direction; new connections are taken all the same. */
  shut(): void;
  open(): void;
  /** Ends every connection. */
  stop(): Promise<void>;
}

/** @param url whose host and port it leads to */
export const startDoor = async (url: string): Promise<Door> => {
  const { hostname, port } = new URL(url);
  const pairs = new Set<readonly [Socket, Socket]>();
  let isShut = false;

  const open = ([one, other]: readonly [Socket, Socket]): void => {
    one.pipe(other);
    other.pipe(one);
  };
  const shut = ([one, other]: readonly [Socket, Socket]): void => {
    one.unpipe(other).pause();
    other.unpipe(one).pause();
  };
  const server = createServer((client) => {
    const pair = [client, connect({ host: hostname, port: Number(port) })] as const;
    pairs.add(pair);
    const end = (): void => {
      pairs.delete(pair);
      for (const socket of pair) socket.destroy();
    };
    for (const socket of pair) socket.setNoDelay().on("error", end).on("close", end);
    if (!isShut) open(pair);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("the door has no address");
  return {
    port: address.port,
    shut: () => {
      isShut = true;
      for (const pair of pairs) shut(pair);
    },
    open: () => {
      isShut = false;
      for (const pair of pairs) open(pair);
    },
    stop: async () => {
      const closed = once(server, "close");
      server.close();
      for (const [client] of pairs) client.destroy();
      await closed;
    },
  };
};
