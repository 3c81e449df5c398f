/**
 * The two drivers for PostgreSQL, by the URL's host: node-postgres over TCP, and Neon's, which is built on
 * node-postgres and speaks through a WebSocket. What they have in common is all that the rest sees of them.
 */
import { Client as NeonClient, Pool as NeonPool } from "@neondatabase/serverless";
import pg from "pg";
import { SaturatedError } from "./failure.ts";

/** A connection as far as statements are written to it (PostgreSQL, "Frontend/Backend Protocol"). */
export interface WireConnection {
  readonly stream: { cork(): void; uncork(): void; destroy(): void };
  parse(query: { name: string; text: string; types: string[] }, more: boolean): void;
  bind(config: { portal: string; statement: string; values: string[] }, more: boolean): void;
  execute(config: { portal: string }, more: boolean): void;
  close(message: { type: string; name: string }, more: boolean): void;
}

/** A statement that writes itself to a connection and takes what comes back. */
export type WireStatement = pg.Query;

export interface DriverClient {
  readonly connection: WireConnection;
  query(statement: WireStatement): unknown;
  /** Gives it back, or ends it. */
  release(destroy: boolean): void;
}

export interface DriverPool {
  readonly maxCount: number;
  readonly totalCount: number;
  readonly idleCount: number;
  readonly waitingCount: number;
  /** @throws SaturatedError where none has come free in time */
  connect(): Promise<DriverClient>;
  end(): Promise<void>;
}

export interface Driver {
  readonly name: "pg" | "neon";
  /** Whether a connection takes a statement while another one is under way. */
  readonly pipelines: boolean;
  readonly pool: DriverPool;
  /** Whether the connection is whole and in no transaction, as far as the server has said so. */
  isIdle(client: DriverClient): boolean;
  /** Asks the server to cancel what the client's connection is doing; resolves when it has been asked. */
  cancel(client: DriverClient): Promise<void>;
}

export interface DriverOptions {
  readonly maxConnections: number;
  readonly minConnections: number;
  /** Waiting for a connection, and for one to be made, milliseconds. */
  readonly connectTimeoutMs: number;
  readonly idleTimeoutMs: number;
  /** Where Neon's driver finds its WebSocket, such as `localhost:8080/v1`. @default Neon's own */
  readonly webSocketProxy?: string | undefined;
  /** A connection was lost, idle or lent out; told once for each. */
  readonly onLoss: (error: unknown) => void;
}

/** Longer than this a cancel request is not waited for, milliseconds. */
const CANCEL_TIMEOUT_MS = 1_000;

const INT8_OID = 20;
const types = {
  getTypeParser: (oid: number, format?: "text" | "binary") =>
    oid === INT8_OID && format !== "binary" ? Number : pg.types.getTypeParser(oid, format),
};

const NEON_HOST = /\.neon\.(tech|build)$/;

export const isNeon = (url: string): boolean => NEON_HOST.test(new URL(url).hostname);

const isDriverClient = (client: object): client is DriverClient =>
  "connection" in client && "release" in client;

interface Pool {
  readonly totalCount: number;
  readonly idleCount: number;
  readonly waitingCount: number;
  connect(): Promise<object>;
  end(): Promise<void>;
}

/** In what words both drivers' pools say that all connections are lent out; they have no other sign for it. */
const NONE_CAME_FREE = "timeout exceeded when trying to connect";

const typed = (error: unknown): unknown =>
  error instanceof Error && error.message === NONE_CAME_FREE
    ? new SaturatedError("no connection to PostgreSQL has come free in time", { cause: error })
    : error;

const driverPool = (pool: Pool, maxCount: number): DriverPool => ({
  maxCount,
  get totalCount() {
    return pool.totalCount;
  },
  get idleCount() {
    return pool.idleCount;
  },
  get waitingCount() {
    return pool.waitingCount;
  },
  connect: async () => {
    try {
      const client = await pool.connect();
      if (isDriverClient(client)) return client;
    } catch (error) {
      throw typed(error);
    }
    throw new TypeError("the driver's clients are not what they were");
  },
  end: () => pool.end(),
});

/** What a cancel request needs: the keys are given by the server when the connection begins. */
interface Cancellable {
  readonly processID: number;
  readonly secretKey: number;
  readonly host: string;
  readonly port: number;
}

interface CancelConnection {
  readonly ssl: unknown;
  connect(port: number, host: string): void;
  requestSsl(): void;
  cancel(processId: number, secretKey: number): void;
  once(event: "connect" | "sslconnect" | "end", listener: () => void): unknown;
  on(event: "error", listener: () => void): unknown;
  readonly stream: { destroy(): void };
}

const isCancellable = (client: object): client is Cancellable =>
  "processID" in client && "secretKey" in client;
const isCancelConnection = (connection: object): connection is CancelConnection => "cancel" in connection;

/** The request has a connection of its own, over which nothing comes back (PostgreSQL, "Canceling Requests"). */
const cancelOver = async (connection: object, client: object): Promise<void> => {
  if (!isCancellable(client) || !isCancelConnection(connection)) return;
  const { promise: asked, resolve } = Promise.withResolvers<void>();
  const ask = (): void => connection.cancel(client.processID, client.secretKey);
  connection.once("connect", () => (connection.ssl ? connection.requestSsl() : ask()));
  connection.once("sslconnect", ask);
  connection.once("end", resolve);
  connection.on("error", resolve);
  const timer = setTimeout(resolve, CANCEL_TIMEOUT_MS);
  connection.connect(client.port, client.host);
  await asked;
  clearTimeout(timer);
  connection.stream.destroy();
};

interface WatchedClient {
  readonly connection: {
    on(event: "readyForQuery", listener: (message: { status: string }) => void): unknown;
    on(event: "errorMessage", listener: (message: { severity?: string }) => void): unknown;
  };
  on(event: "error" | "end", listener: (error: unknown) => void): unknown;
}

const isWatchedClient = (client: object): client is WatchedClient => "connection" in client && "on" in client;

interface Watch {
  /** To be called for each client that has connected. */
  readonly begin: (client: object) => void;
  readonly isIdle: (client: object) => boolean;
}

/**
 * Follows what the server says of each connection's state. A connection may be lost at any time, idle or lent
 * out; without a listener for it that would end the process.
 */
const createWatch = (onLoss: DriverOptions["onLoss"]): Watch => {
  const idle = new WeakSet<object>();
  const begin = (client: object): void => {
    if (!isWatchedClient(client)) return;
    let isLost = false;
    let isTold = false;
    idle.add(client);
    client.connection.on("readyForQuery", ({ status }) => {
      if (status === "I" && !isLost) idle.add(client);
      else idle.delete(client);
    });
    const lose = (): void => {
      isLost = true;
      idle.delete(client);
    };
    client.connection.on("errorMessage", ({ severity }) => {
      if (severity === "FATAL" || severity === "PANIC") lose();
    });
    client.on("end", lose);
    client.on("error", (error) => {
      if (!isTold) onLoss(error);
      isTold = true;
      lose();
    });
  };
  return { begin, isIdle: (client) => idle.has(client) };
};

const poolOptions = (url: string, options: DriverOptions) => ({
  connectionString: url,
  max: options.maxConnections,
  min: options.minConnections,
  connectionTimeoutMillis: options.connectTimeoutMs,
  idleTimeoutMillis: options.idleTimeoutMs,
  keepAlive: true,
  application_name: "breakwater-origin",
});

const overTcp = (url: string, options: DriverOptions): Driver => {
  const config = { ...poolOptions(url, options), types, pipeline: true };
  const pool = new pg.Pool(config);
  const watch = createWatch(options.onLoss);
  // The client has told of its loss itself.
  pool.on("error", () => undefined);
  pool.on("connect", watch.begin);
  return {
    name: "pg",
    pipelines: true,
    pool: driverPool(pool, options.maxConnections),
    isIdle: watch.isIdle,
    cancel: (client) => cancelOver(new pg.Client({ connectionString: url }).connection, client),
  };
};

/** Neon's client, led to a proxy of one's own, and with what a statement expects of a connection. */
const neonClient = (webSocketProxy: string | undefined): typeof NeonClient =>
  class extends NeonClient {
    constructor(config?: ConstructorParameters<typeof NeonClient>[0]) {
      super(config);
      const { connection, neonConfig } = this;
      const { stream } = connection;
      const { destroy } = stream;
      Object.assign(connection, { submittedNamedStatements: {} });
      Object.assign(stream, {
        // It gathers what is written within one turn by itself.
        cork: () => undefined,
        uncork: () => undefined,
        // The other end may be past answering a WebSocket's closing.
        destroy: () => {
          destroy.call(stream);
          setImmediate(() => stream.emit("close"));
        },
      });
      if (webSocketProxy === undefined) return;
      neonConfig.wsProxy = () => webSocketProxy;
      neonConfig.useSecureWebSocket = false;
      neonConfig.pipelineTLS = false;
      neonConfig.pipelineConnect = false;
    }
  };

const overWebSocket = (url: string, options: DriverOptions): Driver => {
  const Client = neonClient(options.webSocketProxy);
  const pool = new NeonPool({ ...poolOptions(url, options), types });
  pool.Client = Client;
  const watch = createWatch(options.onLoss);
  pool.on("error", () => undefined);
  pool.on("connect", watch.begin);
  return {
    name: "neon",
    pipelines: false,
    pool: driverPool(pool, options.maxConnections),
    isIdle: watch.isIdle,
    cancel: (client) => cancelOver(new Client({ connectionString: url }).connection, client),
  };
};

export const createDriver = (url: string, options: DriverOptions): Driver =>
  isNeon(url) ? overWebSocket(url, options) : overTcp(url, options);
