/**
 * What a Kubernetes Service is to the edge: one address before several origins, at layer 4. New connections go
 * to those that are ready; connections that are there stay with the origin that they were given to.
 */
import { once } from "node:events";
import { get } from "node:http";
import { connect, createServer, type Socket } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
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

/** Until an origin that is no longer ready gets no new connection: so long it has to take them. */
const PROBE_INTERVAL_MS = 100;
const PROBE_TIMEOUT_MS = 2_000;
const MAX_CONNECTIONS = 1_000;

interface Endpoint {
  readonly url: string;
  isReady: boolean;
  readonly removed: AbortController;
}

/** On a connection of its own, as a kubelet's probe is. */
const isReady = (url: string): Promise<boolean> =>
  new Promise((resolve) => {
    const probe = get(`${url}/ready`, { agent: false, timeout: PROBE_TIMEOUT_MS }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    probe.once("timeout", () => probe.destroy());
    probe.once("error", () => resolve(false));
    probe.once("close", () => resolve(false));
  });

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
  const endpoints = new Map<string, Endpoint>();
  const given = new Map<string, number>();
  const sockets = new Set<Socket>();
  let turn = 0;

  const next = (): Endpoint | undefined => {
    const ready = [...endpoints.values()].filter((endpoint) => endpoint.isReady);
    turn += 1;
    return ready[turn % ready.length];
  };

  const keep = (socket: Socket): void => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  };

  const server = createServer({ allowHalfOpen: true }, (client) => {
    keep(client);
    const endpoint = next();
    if (endpoint === undefined) {
      client.resetAndDestroy();
      return;
    }
    given.set(endpoint.url, (given.get(endpoint.url) ?? 0) + 1);
    const { hostname, port } = new URL(endpoint.url);
    const origin = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
    keep(origin);
    join(client, origin);
  });
  server.maxConnections = MAX_CONNECTIONS;
  const port = await listen(server);

  const watch = async (endpoint: Endpoint, onReady: () => void): Promise<void> => {
    const { signal } = endpoint.removed;
    while (!signal.aborted) {
      endpoint.isReady = await isReady(endpoint.url);
      if (endpoint.isReady) onReady();
      await pause(PROBE_INTERVAL_MS, undefined, { signal }).catch(() => undefined);
    }
  };

  const remove = (url: string): void => {
    endpoints.get(url)?.removed.abort();
    endpoints.delete(url);
  };

  return {
    url: `http://127.0.0.1:${port}`,
    given,
    remove,
    add: (url) => {
      const endpoint = { url, isReady: false, removed: new AbortController() };
      endpoints.set(url, endpoint);
      return new Promise((resolve) => void watch(endpoint, resolve));
    },
    stop: async () => {
      for (const url of [...endpoints.keys()]) remove(url);
      const closed = once(server, "close");
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
};
