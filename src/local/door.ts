/** A TCP proxy that can be shut: connections stay, but carry nothing. For faults on this machine alone. */
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { Transform } from "node:stream";

export interface Disturbance {
  readonly lagMs: number;
  /** Of the parts of the target's replies, within [0, 1]: how many are cut in half, with the connection. */
  readonly lossShare: number;
}

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
  /** From now on, new connections carry each part later, and close instead with the given probability, until `open`. */
  disturb(disturbance: Disturbance): void;
  /** Lets traffic and new connections through again. */
  open(): Promise<void>;
  /** Closes every connection, and refuses new ones. */
  refuse(): Promise<void>;
  /** Closes every connection, and answers each request on a new one with these bytes, until `open`. */
  answer(bytes: string): void;
  /** Leads new connections to another server; open ones stay. */
  leadTo(url: string): void;
  stop(): Promise<void>;
}

/** @param port @default any free port @returns the port */
const listen = async (server: Server, port = 0): Promise<number> => {
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("the server has no port");
  return address.port;
};

const disturbed = ({ lagMs, lossShare }: Disturbance, client: Socket, random: () => number): Transform =>
  new Transform({
    transform(part: Buffer, _, done) {
      if (random() >= lossShare) {
        setTimeout(() => done(null, part), lagMs);
        return;
      }
      client.write(part.subarray(0, part.length / 2), () => client.destroy());
    },
  });

/**
 * @param targetUrl the URL whose host and port it leads to
 * @param random of what is lost, from 0 to below 1
 */
export const startDoor = async (targetUrl: string, random: () => number = Math.random): Promise<Door> => {
  let target = new URL(targetUrl);
  const pairs = new Set<readonly [Socket, Socket]>();
  const answered = new Set<Socket>();
  let isShut = false;
  let holdsReplies = false;
  let disturbance: Disturbance | undefined;
  let answer: string | undefined;
  let taken = 0;

  const open = ([one, other]: readonly [Socket, Socket]): void => {
    one.pipe(other);
    if (holdsReplies) return;
    if (disturbance === undefined) other.pipe(one);
    else other.pipe(disturbed(disturbance, one, random)).pipe(one);
  };
  const shut = ([one, other]: readonly [Socket, Socket]): void => {
    one.unpipe(other).pause();
    other.unpipe(one).pause();
  };
  const server = createServer((client) => {
    taken += 1;
    if (answer !== undefined) {
      const bytes = answer;
      answered.add(client);
      client.on("data", () => client.write(bytes)).on("error", () => client.destroy());
      client.once("close", () => answered.delete(client));
      return;
    }
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
    for (const client of [...answered, ...[...pairs].map(([client]) => client)]) client.destroy();
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
    disturb: (next) => {
      disturbance = next;
      for (const [client] of pairs) client.destroy();
    },
    answer: (bytes) => {
      answer = bytes;
      for (const [client] of pairs) client.destroy();
    },
    open: async () => {
      isShut = false;
      holdsReplies = false;
      // A disturbed connection cannot be piped directly.
      if (disturbance !== undefined) for (const [client] of pairs) client.destroy();
      disturbance = undefined;
      answer = undefined;
      for (const client of answered) client.destroy();
      for (const pair of pairs) open(pair);
      if (!server.listening) await listen(server, ownPort);
    },
    leadTo: (other) => {
      target = new URL(other);
    },
    stop: refuse,
  };
};
