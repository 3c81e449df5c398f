/**
 * The pool of connections to PostgreSQL. The URL's host chooses the driver: node-postgres over TCP, or Neon's, a fork of it,
 * over a WebSocket. Both drivers pool their connections themselves.
 */
import { Client as NeonClient, Pool as NeonPool } from "@neondatabase/serverless";
import pg from "pg";
import type { Permit } from "../../resilience/circuit-breaker/circuit-breaker.ts";
import { Connection, type DriverClient } from "./connection.ts";
import { type Scope, untilEnd } from "./database.ts";
import { classifyOpening, DeadlineError, SaturatedError, settleBy, typedError } from "./errors.ts";

export interface PoolOptions {
  readonly maxConnections: number;
  /** @default 0 */
  readonly minConnections?: number;
  /** Limit of waiting for a connection, and of opening one, milliseconds. @default 5,000 */
  readonly connectTimeoutMs?: number;
  /** @default 60,000 */
  readonly idleTimeoutMs?: number;
  /** Called once for each lost connection, idle or in use. */
  readonly onLoss: (error: unknown) => void;
}

/** What both drivers' pools have in common. */
interface DriverPool {
  readonly totalCount: number;
  readonly idleCount: number;
  readonly waitingCount: number;
  on(event: "connect", listener: (client: DriverClient) => void): unknown;
  on(event: "error", listener: () => void): unknown;
  connect(): Promise<object>;
  end(): Promise<void>;
}

interface Driver {
  readonly name: "pg" | "neon";
  /** Whether a connection sends a statement while another one is running. */
  readonly pipelines: boolean;
  readonly pool: DriverPool;
  /** A client that is not connected, to cancel another one's statement. */
  readonly newClient: () => { readonly connection: object };
}

const INT8_OID = 20;
const types = {
  getTypeParser: (oid: number, format?: "text" | "binary") =>
    oid === INT8_OID && format !== "binary" ? Number : pg.types.getTypeParser(oid, format),
};

const NEON_HOST = /\.neon\.(tech|build)$/;

/** @param url `postgres://`; Neon's hosts need Neon's driver */
const createDriver = (url: string, options: PoolOptions): Driver => {
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
    return { name: "pg", pipelines: true, pool, newClient: () => new pg.Client({ connectionString: url }) };
  }
  const pool = new NeonPool(config);
  return { name: "neon", pipelines: false, pool, newClient: () => new NeonClient({ connectionString: url }) };
};

/** Time allowed for a cancel request, milliseconds. */
const CANCEL_TIMEOUT_MS = 1_000;

/** The server issued the keys when the connection began. */
interface CancelTarget {
  readonly processID: number;
  readonly secretKey: number;
  readonly host: string;
  readonly port: number;
}

interface CancelConnection {
  readonly ssl: unknown;
  readonly stream: { destroy(): void };
  connect(port: number, host: string): void;
  requestSsl(): void;
  cancel(processId: number, secretKey: number): void;
  once(event: "connect" | "sslconnect" | "end", listener: () => void): unknown;
  on(event: "error", listener: () => void): unknown;
}

const isTarget = (client: object): client is CancelTarget => "processID" in client && "secretKey" in client;
const isCancelConnection = (connection: object): connection is CancelConnection => "cancel" in connection;

/**
 * Asks the server to cancel what the client's connection is doing (PostgreSQL, "Canceling Requests in Progress"). Neither
 * driver has a public way to do so, and SQL is no substitute: behind a transaction pooler `pg_cancel_backend` could end
 * another client's statement. This is the one place that uses undocumented members of the drivers; each is checked
 * before use. The server does not answer, it closes the connection.
 *
 * @param connection a new one, of the same driver as the client
 * @returns when the request was made, or could not be
 */
const requestCancel = async (connection: object, client: object): Promise<void> => {
  if (!isTarget(client) || !isCancelConnection(connection)) return;
  const { promise: done, resolve } = Promise.withResolvers<void>();
  const request = (): void => connection.cancel(client.processID, client.secretKey);
  connection.once("connect", () => (connection.ssl ? connection.requestSsl() : request()));
  connection.once("sslconnect", request);
  connection.once("end", resolve);
  connection.on("error", resolve);
  const timer = setTimeout(resolve, CANCEL_TIMEOUT_MS);
  connection.connect(client.port, client.host);
  await done;
  clearTimeout(timer);
  connection.stream.destroy();
};

/** Callers that wait for a connection at most. */
const MAX_WAITING = 1_000;
/** While the server is read-only, connections are renewed at most once within this time, milliseconds: reads need them. */
const RENEWAL_INTERVAL_MS = 1_000;
/** Time for the server to cancel a statement by itself before its connection is closed, milliseconds. */
const GRACE_MS = 250;

/** The message is the only sign by which the pools report that all connections are in use. */
const NONE_FREE = "timeout exceeded when trying to connect";

const connectError = (error: unknown): unknown =>
  error instanceof Error && error.message === NONE_FREE
    ? new SaturatedError("no connection to PostgreSQL became free in time", { cause: error })
    : error;

/** Calls back when the request ends, then ends what the connection is doing. Returns how to stop watching. */
const endWithRequest = (
  scope: Scope,
  permit: Permit,
  connection: Connection,
  onEnd: (error: DeadlineError) => void,
): (() => void) => {
  let timer: NodeJS.Timeout | undefined;
  const stop = scope.onEnd((reason) => {
    onEnd(new DeadlineError(`the request has ended (${reason})`));
    // At the deadline the server cancels by itself. Before it, a cancel request is needed, which may take its time.
    if (reason === "abandoned") {
      permit.ignore();
      void connection.cancel();
    }
    timer = setTimeout(() => void connection.cancel().finally(() => connection.destroy()), GRACE_MS);
  });
  return () => {
    clearTimeout(timer);
    stop();
  };
};

const throwIfEnded = (scope: Scope, permit: Permit, connection?: Connection): void => {
  if (scope.ended === undefined) return;
  permit.ignore();
  connection?.release();
  throw new DeadlineError(`the request has ended (${scope.ended})`);
};

export type ConnectionPool = ReturnType<typeof createPool>;

export const createPool = (url: string, options: PoolOptions) => {
  const driver = createDriver(url, options);
  const { pool, pipelines, newClient } = driver;
  const connections = new WeakMap<object, Connection>();
  /** Connections opened before lead to a server that has become read-only. `performance.now()` */
  let renewedAtMs = Number.NEGATIVE_INFINITY;
  let closing: Promise<void> | undefined;

  // Each connection reports its own loss.
  pool.on("error", () => undefined);
  pool.on("connect", (client) => {
    const cancel = (): Promise<void> => requestCancel(newClient().connection, client);
    connections.set(client, new Connection(client, { pipelines, cancel, onLoss: options.onLoss }));
  });

  /** The caller releases the connection. @throws SaturatedError if no connection became free in time */
  const open = async (): Promise<Connection> => {
    if (pool.waitingCount >= MAX_WAITING)
      throw new SaturatedError("too many requests wait for a connection to PostgreSQL");
    for (;;) {
      const client = await pool.connect().catch((error: unknown) => {
        throw connectError(error);
      });
      const connection = connections.get(client);
      if (connection === undefined) throw new TypeError("the pool did not announce its connection");
      if (connection.createdAtMs >= renewedAtMs) return connection;
      connection.discard();
      connection.release();
    }
  };

  const renew = (): void => {
    if (performance.now() - renewedAtMs >= RENEWAL_INTERVAL_MS) renewedAtMs = performance.now();
  };

  /** Waits no longer than the request does. A connection that opens later returns to the pool. */
  const openWithin = async (scope: Scope, permit: Permit): Promise<Connection> => {
    const opening = open();
    try {
      return await untilEnd(scope, opening);
    } catch (error) {
      settleBy(permit, opening, classifyOpening);
      opening.then(
        (connection) => connection.release(),
        () => undefined,
      );
      throw typedError(error, undefined, scope);
    }
  };

  /**
   * Runs the work with a connection of its own, which is released when the work has settled. When the request ends, the
   * running statement is ended too, so that the work settles soon.
   *
   * @param permit settled by a failure to open a connection, else by the work; ignored if the work sends nothing
   * @throws UnavailableError, DeadlineError if no connection can be had, or when the request ends; what the work throws
   */
  const use = async <T>(
    scope: Scope,
    permit: Permit,
    work: (connection: Connection) => Promise<T>,
  ): Promise<T> => {
    throwIfEnded(scope, permit);
    const connection = await openWithin(scope, permit);
    throwIfEnded(scope, permit, connection);
    const ended = Promise.withResolvers<never>();
    const stopWatching = endWithRequest(scope, permit, connection, ended.reject);
    const finish = (): void => {
      if (!scope.readOnly && connection.isReadOnly) {
        renew();
        connection.discard();
      }
      stopWatching();
      // If the work sent nothing, the permit is still open.
      permit.ignore();
      connection.release();
    };
    const working = work(connection);
    working.then(finish, finish);
    return await Promise.race([working, ended.promise]);
  };

  return {
    driver: driver.name,
    pipelines,
    maxConnections: options.maxConnections,
    counts: pool,
    open,
    use,
    end: () => {
      closing ??= pool.end();
      return closing;
    },
  };
};
