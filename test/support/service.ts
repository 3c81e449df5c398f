/**
 * A Kubernetes Service for the edge: one address for several origins, at layer 4. New connections go to ready origins;
 * existing connections stay with their origin.
 */
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { sleep, withTimeout } from "../../src/lib/async.ts";
import { send } from "./backing.ts";
import { listen } from "./listen.ts";

export interface Service {
  readonly url: string;
  /** Adds an origin; resolves when it is ready. @throws Error after 30 s */
  add(originUrl: string): Promise<void>;
  /** Removes an origin; its connections stay. */
  remove(originUrl: string): void;
  /** The number of connections to each origin, by its URL. */
  readonly connections: ReadonlyMap<string, number>;
  stop(): Promise<void>;
}

/** An origin still gets new connections for this long after it has become unready. */
const PROBE_INTERVAL_MS = 100;
const PROBE_TIMEOUT_MS = 2_000;
const READY_TIMEOUT_MS = 30_000;
const POLL_MS = 20;

/** On its own connection, like a kubelet's probe. */
const isReady = (url: string): Promise<boolean> => {
  const probe = send(`${url}/ready`).then(
    ({ status }) => status === 200,
    () => false,
  );
  return withTimeout(probe, PROBE_TIMEOUT_MS, { fallback: false });
};

/** Forwards data, ends and failures in both directions. */
const join = (one: Socket, other: Socket): void => {
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    from.setNoDelay();
    from.pipe(to);
    from.once("error", () => to.resetAndDestroy());
    from.once("close", () => to.destroySoon());
  }
};

export const startService = async (): Promise<Service> => {
  /** Whether each origin is ready, by its URL. */
  const endpoints = new Map<string, boolean>();
  const connections = new Map<string, number>();
  const sockets = new Set<Socket>();
  let turn = 0;

  const next = (): string | undefined => {
    const ready = [...endpoints].filter(([, isUp]) => isUp).map(([url]) => url);
    turn += 1;
    return ready[turn % ready.length];
  };
  const probe = async (url: string): Promise<void> => {
    const isUp = await isReady(url);
    if (endpoints.has(url)) endpoints.set(url, isUp);
  };
  const probing = setInterval(() => {
    for (const url of endpoints.keys()) void probe(url);
  }, PROBE_INTERVAL_MS);

  const keep = (socket: Socket): void => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  };

  const server = createServer({ allowHalfOpen: true }, (client) => {
    keep(client);
    const url = next();
    if (url === undefined) {
      client.resetAndDestroy();
      return;
    }
    connections.set(url, (connections.get(url) ?? 0) + 1);
    const { hostname, port } = new URL(url);
    const origin = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
    keep(origin);
    join(client, origin);
  });
  const port = await listen(server);

  return {
    url: `http://127.0.0.1:${port}`,
    connections,
    remove: (url) => void endpoints.delete(url),
    add: async (url) => {
      endpoints.set(url, false);
      const untilMs = performance.now() + READY_TIMEOUT_MS;
      while (endpoints.get(url) === false) {
        if (performance.now() > untilMs) throw new Error(`${url} was not ready in time`);
        await sleep(POLL_MS);
      }
    },
    stop: async () => {
      clearInterval(probing);
      const closed = once(server, "close");
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
};
