/** A TCP proxy that can be shut: connections stay, but carry nothing. */
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { listen } from "./listen.ts";

export interface Door {
  readonly port: number;
  /** The target's URL through the door. */
  readonly url: string;
  /** Connections accepted so far. */
  readonly taken: number;
  /** Stops all traffic in both directions; new connections are still accepted. */
  shut(): void;
  /** Holds replies back; requests still arrive. `open` lets them through. */
  holdReplies(): void;
  /** Closes each connection at the target's next reply, which is lost. */
  loseNextReply(): void;
  /** Lets traffic and new connections through again. */
  open(): Promise<void>;
  /** Closes every connection, and refuses new ones. */
  refuse(): Promise<void>;
  /** Leads new connections to another server; open ones stay. */
  leadTo(url: string): void;
  stop(): Promise<void>;
}

/** @param targetUrl the URL whose host and port it leads to */
export const startDoor = async (targetUrl: string): Promise<Door> => {
  let target = new URL(targetUrl);
  const pairs = new Set<readonly [Socket, Socket]>();
  let isShut = false;
  let holdsReplies = false;
  let taken = 0;

  const open = ([one, other]: readonly [Socket, Socket]): void => {
    one.pipe(other);
    if (!holdsReplies) other.pipe(one);
  };
  const shut = ([one, other]: readonly [Socket, Socket]): void => {
    one.unpipe(other).pause();
    other.unpipe(one).pause();
  };
  const server = createServer((client) => {
    taken += 1;
    const { hostname, port } = target;
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
  const url = new URL(targetUrl);
  url.host = `127.0.0.1:${ownPort}`;
  return {
    port: ownPort,
    // The `href` of an HTTP URL ends with a slash.
    url: url.href.replace(/\/$/, ""),
    refuse,
    get taken() {
      return taken;
    },
    shut: () => {
      isShut = true;
      for (const pair of pairs) shut(pair);
    },
    holdReplies: () => {
      holdsReplies = true;
      for (const [client, origin] of pairs) origin.unpipe(client).pause();
    },
    loseNextReply: () => {
      for (const [client, origin] of pairs)
        origin
          .unpipe(client)
          .once("data", () => client.destroy())
          .resume();
    },
    open: async () => {
      isShut = false;
      holdsReplies = false;
      for (const pair of pairs) open(pair);
      if (!server.listening) await listen(server, ownPort);
    },
    leadTo: (other) => {
      target = new URL(other);
    },
    stop: refuse,
  };
};
