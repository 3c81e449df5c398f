/**
 * The pool of connections to PostgreSQL. The URL's host chooses the driver: node-postgres over TCP, or Neon's, a fork of it,
 * over a WebSocket. Both drivers pool their connections themselves.
 */
import { Pool as NeonPool } from "@neondatabase/serverless";
import pg from "pg";
import type { Permit } from "../../resilience/circuit-breaker/circuit-breaker.ts";
import { Connection, type DriverClient, GRACE_MS } from "./connection.ts";
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
  /** Whether a connection sends a statement while another one is running. */
  readonly pipelines: boolean;
  readonly pool: DriverPool;
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
  return NEON_HOST.test(new URL(url).hostname)
    ? { pipelines: false, pool: new NeonPool(config) }
    : { pipelines: true, pool: new pg.Pool({ ...config, pipeline: true }) };
};

/** Callers that wait for a connection at most. */
const MAX_WAITING = 1_000;
/** While the server is read-only, connections are renewed at most once within this time, milliseconds: reads need them. */
const RENEWAL_INTERVAL_MS = 1_000;

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
    if (reason === "abandoned") permit.ignore();
    timer = setTimeout(() => connection.destroy(), GRACE_MS[reason]);
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
  const { pool, pipelines } = createDriver(url, options);
  const connections = new WeakMap<object, Connection>();
  /** Connections opened before lead to a server that has become read-only. `performance.now()` */
  let renewedAtMs = Number.NEGATIVE_INFINITY;
  let closing: Promise<void> | undefined;

  // Each connection reports its own loss.
  pool.on("error", () => undefined);
  pool.on("connect", (client) => {
    connections.set(client, new Connection(client, { pipelines, onLoss: options.onLoss }));
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
