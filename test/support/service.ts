/**
 * What a Kubernetes Service is to the edge: one address before several origins, at layer 4. New connections go
 * to those that are ready; connections that are there stay with the origin that they were given to.
 */
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { vi } from "vitest";
import { withTimeout } from "../../src/lib/async.ts";
import { send } from "./backing.ts";
import { listen } from "./listen.ts";

export interface Service {
  readonly url: string;
  /** Makes an origin one of its own; resolves when it is ready. */
  add(originUrl: string): Promise<void>;
  /** Forgets an origin; its connections stay. */
  remove(originUrl: string): void;
  /** New connections that each origin has been given, by its URL. */
  readonly given: ReadonlyMap<string, number>;
  stop(): Promise<void>;
}

/** Until an origin that is no longer ready gets no new connection: for this time it has to accept them. */
const PROBE_INTERVAL_MS = 100;
const PROBE_TIMEOUT_MS = 2_000;
const READY_TIMEOUT_MS = 30_000;

/** On a connection of its own, as a kubelet's probe is. */
const isReady = (url: string): Promise<boolean> => {
  const probe = send(`${url}/ready`).then(
    ({ status }) => status === 200,
    () => false,
  );
  return withTimeout(probe, PROBE_TIMEOUT_MS, { fallback: false });
};

/** Each side gets what the other one sends, its end and its failure. */
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
  const given = new Map<string, number>();
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
    given.set(url, (given.get(url) ?? 0) + 1);
    const { hostname, port } = new URL(url);
    const origin = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
    keep(origin);
    join(client, origin);
  });
  const port = await listen(server);

  return {
    url: `http://127.0.0.1:${port}`,
    given,
    remove: (url) => void endpoints.delete(url),
    add: async (url) => {
      endpoints.set(url, false);
      await vi.waitUntil(() => endpoints.get(url), { timeout: READY_TIMEOUT_MS, interval: 20 });
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
