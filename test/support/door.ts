/** A way to a TCP server that can be shut: connections stay, and nothing comes through. */
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { listen } from "./listen.ts";

export interface Door {
  readonly port: number;
  /** Connections that it has taken so far. */
  readonly taken: number;
  /** From now on nothing comes through, in either direction; new connections are taken all the same. */
  shut(): void;
  /** Everything comes through again; new connections, too. */
  open(): Promise<void>;
  /** Ends every connection, and refuses new ones. */
  refuse(): Promise<void>;
  stop(): Promise<void>;
}

/** @param url whose host and port it leads to */
export const startDoor = async (url: string): Promise<Door> => {
  const { hostname, port } = new URL(url);
  const pairs = new Set<readonly [Socket, Socket]>();
  let isShut = false;
  let taken = 0;

  const open = ([one, other]: readonly [Socket, Socket]): void => {
    one.pipe(other);
    other.pipe(one);
  };
  const shut = ([one, other]: readonly [Socket, Socket]): void => {
    one.unpipe(other).pause();
    other.unpipe(one).pause();
  };
  const server = createServer((client) => {
    taken += 1;
    const pair = [client, connect({ host: hostname, port: Number(port) })] as const;
    pairs.add(pair);
    const end = (): void => {
      pairs.delete(pair);
      for (const socket of pair) socket.destroy();
    };
    for (const socket of pair) socket.setNoDelay().on("error", end).on("close", end);
    if (!isShut) open(pair);
  });
  const refuse = async (): Promise<void> => {
    if (!server.listening) return;
    const closed = once(server, "close");
    server.close();
    for (const [client] of pairs) client.destroy();
    await closed;
  };
  const ownPort = await listen(server);
  return {
    port: ownPort,
    refuse,
    get taken() {
      return taken;
    },
    shut: () => {
      isShut = true;
      for (const pair of pairs) shut(pair);
    },
    open: async () => {
      isShut = false;
      for (const pair of pairs) open(pair);
      if (!server.listening) await listen(server, ownPort);
    },
    stop: refuse,
  };
};
