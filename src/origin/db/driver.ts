/**
 * The two drivers for PostgreSQL, by the URL's host: node-postgres over TCP, and Neon's, a fork of it, over a WebSocket.
 * Both pool their connections themselves.
 */
import { Client as NeonClient, Pool as NeonPool } from "@neondatabase/serverless";
import pg from "pg";
import { requestCancel } from "./cancel.ts";
import { Connection, type DriverClient } from "./connection.ts";
import { SaturatedError } from "./errors.ts";

export interface Driver {
  readonly name: "pg" | "neon";
  /** Whether a connection sends a statement while another one is running. */
  readonly pipelines: boolean;
  readonly maxConnections: number;
  readonly counts: Pick<Pool, "totalCount" | "idleCount" | "waitingCount">;
  /** @throws SaturatedError if no connection became free in time */
  connect(): Promise<Connection>;
  end(): Promise<void>;
}

export interface DriverOptions {
  readonly maxConnections: number;
  /** @default 0 */
  readonly minConnections?: number;
  /** Limit of waiting for a connection, and of opening one, milliseconds. @default 5,000 */
  readonly connectTimeoutMs?: number;
  /** @default 60,000 */
  readonly idleTimeoutMs?: number;
  /** Where Neon's driver finds its WebSocket, such as `localhost:8080/v1`. @default Neon's own */
  readonly webSocketProxy?: string;
  /** Called once for each lost connection, idle or in use. */
  readonly onLoss: (error: unknown) => void;
}

/** What both drivers' pools have in common. */
interface Pool {
  readonly totalCount: number;
  readonly idleCount: number;
  readonly waitingCount: number;
  on(event: "connect", listener: (client: DriverClient) => void): unknown;
  on(event: "error", listener: () => void): unknown;
  connect(): Promise<object>;
  end(): Promise<void>;
}

const INT8_OID = 20;
const types = {
  getTypeParser: (oid: number, format?: "text" | "binary") =>
    oid === INT8_OID && format !== "binary" ? Number : pg.types.getTypeParser(oid, format),
};

const NEON_HOST = /\.neon\.(tech|build)$/;

/** The message is the only sign by which the pools report that all connections are in use. */
const NONE_FREE = "timeout exceeded when trying to connect";

const connectError = (error: unknown): unknown =>
  error instanceof Error && error.message === NONE_FREE
    ? new SaturatedError("no connection to PostgreSQL became free in time", { cause: error })
    : error;

interface DriverParts extends Pick<Driver, "name" | "pipelines"> {
  readonly pool: Pool;
  /** A client that is not connected, to cancel another one's statement. */
  readonly newClient: () => { readonly connection: object };
}

const driverOf = ({ name, pipelines, pool, newClient }: DriverParts, options: DriverOptions): Driver => {
  const connections = new WeakMap<object, Connection>();
  // Each connection reports its own loss.
  pool.on("error", () => undefined);
  pool.on("connect", (client) => {
    const cancel = (): Promise<void> => requestCancel(newClient().connection, client);
    connections.set(client, new Connection(client, { pipelines, cancel, onLoss: options.onLoss }));
  });
  return {
    name,
    pipelines,
    maxConnections: options.maxConnections,
    counts: pool,
    connect: async () => {
      const client = await pool.connect().catch((error: unknown) => {
        throw connectError(error);
      });
      const connection = connections.get(client);
      if (connection === undefined) throw new TypeError("the pool did not announce its connection");
      return connection;
    },
    end: () => pool.end(),
  };
};

/** @param url `postgres://`; Neon's hosts need Neon's driver */
export const createDriver = (url: string, options: DriverOptions): Driver => {
  const config = {
    connectionString: url,
    max: options.maxConnections,
    min: options.minConnections ?? 0,
    connectionTimeoutMillis: options.connectTimeoutMs ?? 5_000,
    idleTimeoutMillis: options.idleTimeoutMs ?? 60_000,
    keepAlive: true,
    application_name: "breakwater-origin",
    types,
  };
  if (!NEON_HOST.test(new URL(url).hostname)) {
    const pool = new pg.Pool({ ...config, pipeline: true });
    const newClient = (): pg.Client => new pg.Client({ connectionString: url });
    return driverOf({ name: "pg", pipelines: true, pool, newClient }, options);
  }
  const { webSocketProxy } = options;
  class Client extends NeonClient {
    constructor(clientConfig?: ConstructorParameters<typeof NeonClient>[0]) {
      super(clientConfig);
      if (webSocketProxy === undefined) return;
      const { neonConfig } = this;
      neonConfig.wsProxy = () => webSocketProxy;
      neonConfig.useSecureWebSocket = false;
      neonConfig.pipelineTLS = false;
      neonConfig.pipelineConnect = false;
    }
  }
  const pool = new NeonPool(config);
  pool.Client = Client;
  const newClient = (): NeonClient => new Client({ connectionString: url });
  return driverOf({ name: "neon", pipelines: false, pool, newClient }, options);
};
