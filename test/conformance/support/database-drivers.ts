/** The ways to a PostgreSQL that the suite takes. */
import type { StopList } from "../../../src/local/stop-list.ts";
import { startWebSocketProxy } from "../../support/websocket-proxy.ts";
import { pgbouncerPath, startPgBouncer } from "./pgbouncer.ts";

/** How the data layer is to connect. */
export interface Route {
  readonly url: string;
  readonly webSocketProxy?: string;
}

export interface DatabaseDriver {
  readonly name: string;
  readonly preparedStatements: boolean;
  /** Whether server connections are the pooler's, not the pool's. */
  readonly pooled: boolean;
  /** Why it cannot run on this machine. */
  readonly missing: string | undefined;
  /** Makes the way to the server of `databaseUrl`. */
  route(databaseUrl: string, stops: StopList): Promise<Route>;
}

/** Neon's driver is chosen by the host; the proxy leads to the real server whatever it is called. */
export const throughWebSocket = async (databaseUrl: string, stops: StopList): Promise<Route> => {
  const target = new URL(databaseUrl);
  const proxy = await startWebSocketProxy({ host: target.hostname, port: Number(target.port) });
  stops.add(() => proxy.stop());
  const url = new URL(databaseUrl);
  url.host = "db.test.neon.tech:5432";
  return { url: url.href, webSocketProxy: proxy.address };
};

const throughPooler = async (databaseUrl: string, stops: StopList): Promise<Route> => {
  const pgbouncer = await startPgBouncer(databaseUrl);
  stops.add(() => pgbouncer.stop());
  const url = new URL(databaseUrl);
  url.host = `127.0.0.1:${pgbouncer.port}`;
  return { url: url.href };
};

const noPgBouncer = pgbouncerPath() === undefined ? "pgbouncer is not installed" : undefined;

export const overTcp: DatabaseDriver = {
  name: "pg over TCP",
  preparedStatements: true,
  pooled: false,
  missing: undefined,
  route: async (databaseUrl) => ({ url: databaseUrl }),
};

export const overWebSocket: DatabaseDriver = {
  name: "Neon's driver over a WebSocket",
  preparedStatements: true,
  pooled: false,
  missing: undefined,
  route: throughWebSocket,
};

export const overPooler: DatabaseDriver = {
  name: "pg through PgBouncer, prepared statements on",
  preparedStatements: true,
  pooled: true,
  missing: noPgBouncer,
  route: throughPooler,
};

export const overPoolerUnprepared: DatabaseDriver = {
  ...overPooler,
  name: "pg through PgBouncer, prepared statements off",
  preparedStatements: false,
};

export const databaseDrivers: readonly DatabaseDriver[] = [
  overTcp,
  overWebSocket,
  overPooler,
  overPoolerUnprepared,
];
