/** The routes to PostgreSQL that the suite covers. */
import { neonConfig } from "@neondatabase/serverless";
import type { CleanupStack } from "../../../src/local/cleanup-stack.ts";
import { startWebSocketProxy } from "../../support/websocket-proxy.ts";
import { pgbouncerPath, startPgBouncer } from "./pgbouncer.ts";

export interface DatabaseDriver {
  readonly name: string;
  readonly preparedStatements: boolean;
  /** Whether a pooler owns the server connections. */
  readonly pooled: boolean;
  /** Why the tests are skipped on this machine. */
  readonly missing: string | undefined;
  /** Starts the proxies of the route to `databaseUrl`. @returns the pool's URL */
  route(databaseUrl: string, stops: CleanupStack): Promise<string>;
}

// Instead of Neon's own proxy: the one of this machine whose port is in the host's name.
neonConfig.wsProxy = (host) => `127.0.0.1:${/^port-(\d+)\./.exec(host)?.[1]}/v1`;
neonConfig.useSecureWebSocket = false;
neonConfig.pipelineTLS = false;
neonConfig.pipelineConnect = false;

const withHost = (databaseUrl: string, host: string): string => {
  const url = new URL(databaseUrl);
  url.host = host;
  return url.href;
};

/** The host selects Neon's driver. @param port of a WebSocket proxy, which always leads to the same server */
export const neonUrl = (databaseUrl: string, port: number): string =>
  withHost(databaseUrl, `port-${port}.test.neon.tech:5432`);

export const overTcp: DatabaseDriver = {
  name: "pg over TCP",
  preparedStatements: true,
  pooled: false,
  missing: undefined,
  route: async (databaseUrl) => databaseUrl,
};

export const overWebSocket: DatabaseDriver = {
  ...overTcp,
  name: "Neon's driver over a WebSocket",
  route: async (databaseUrl, stops) => {
    const { hostname, port } = new URL(databaseUrl);
    const proxy = await startWebSocketProxy({ host: hostname, port: Number(port) });
    stops.add(() => proxy.stop());
    return neonUrl(databaseUrl, proxy.port);
  },
};

export const overPooler: DatabaseDriver = {
  name: "pg through PgBouncer, prepared statements on",
  preparedStatements: true,
  pooled: true,
  missing: pgbouncerPath() === undefined ? "pgbouncer is not installed" : undefined,
  route: async (databaseUrl, stops) =>
    withHost(databaseUrl, `127.0.0.1:${await startPgBouncer(databaseUrl, stops)}`),
};

export const databaseDrivers: readonly DatabaseDriver[] = [
  overTcp,
  overWebSocket,
  overPooler,
  { ...overPooler, name: "pg through PgBouncer, prepared statements off", preparedStatements: false },
];
