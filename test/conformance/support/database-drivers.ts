/** The routes to PostgreSQL that the suite covers. */
import { neonConfig } from "@neondatabase/serverless";
import type { CleanupStack } from "../../../src/local/cleanup-stack.ts";
import { startWebSocketProxy } from "../../support/websocket-proxy.ts";
import { pgbouncerPath, startPgBouncer } from "./pgbouncer.ts";

/** Where the pool connects. */
export interface Route {
  readonly url: string;
}

export interface DatabaseDriver {
  readonly name: string;
  readonly preparedStatements: boolean;
  /** Whether a pooler owns the server connections. */
  readonly pooled: boolean;
  /** Why the tests are skipped on this machine. */
  readonly missing: string | undefined;
  /** Starts what the route to the server of `databaseUrl` needs. */
  route(databaseUrl: string, stops: CleanupStack): Promise<Route>;
}

/** In place of Neon's own: the proxy of this machine whose port is in the host's name. */
neonConfig.wsProxy = (host) => `127.0.0.1:${/^port-(\d+)\./.exec(host)?.[1]}/v1`;
neonConfig.useSecureWebSocket = false;
neonConfig.pipelineTLS = false;
neonConfig.pipelineConnect = false;

/** The host selects Neon's driver. @param port of a WebSocket proxy, which always leads to the same server */
export const neonUrl = (databaseUrl: string, port: number): string => {
  const url = new URL(databaseUrl);
  url.host = `port-${port}.test.neon.tech:5432`;
  return url.href;
};

export const throughWebSocket = async (databaseUrl: string, stops: CleanupStack): Promise<Route> => {
  const target = new URL(databaseUrl);
  const proxy = await startWebSocketProxy({ host: target.hostname, port: Number(target.port) });
  stops.add(() => proxy.stop());
  return { url: neonUrl(databaseUrl, proxy.port) };
};

const throughPooler = async (databaseUrl: string, stops: CleanupStack): Promise<Route> => {
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
