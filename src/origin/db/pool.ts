/**
 * The pool of connections to PostgreSQL. The URL's host chooses the driver: node-postgres over TCP, or Neon's fork of it over
 * a WebSocket.
 */
import { Pool as NeonPool } from "@neondatabase/serverless";
import pg from "pg";
import { parse } from "pg-connection-string";
import type { Permit } from "../../resilience/circuit-breaker/circuit-breaker.ts";
import { Connection, type DriverClient, GRACE_MS } from "./connection.ts";
import { type Scope, untilEnd } from "./database.ts";
import { classifyOpening, requestEnded, SaturatedError, settleBy, typedError } from "./errors.ts";

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

interface Driver {
  /** Whether a connection sends a statement while another one is running. */
  readonly pipelines: boolean;
  readonly pool: {
    readonly totalCount: number;
    readonly idleCount: number;
    readonly waitingCount: number;
    on(event: "connect", listener: (client: DriverClient) => void): unknown;
    on(event: "error", listener: () => void): unknown;
    connect(): Promise<object>;
    end(): Promise<void>;
  };
}

const INT8_OID = 20;
const types = {
  getTypeParser: (oid: number, format?: "text" | "binary") =>
    oid === INT8_OID && format !== "binary" ? Number : pg.types.getTypeParser(oid, format),
};

const NEON_HOST = /\.neon\.(tech|build)$/;

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
  return NEON_HOST.test(parse(url).host ?? "")
    ? { pipelines: false, pool: new NeonPool(config) }
    : { pipelines: true, pool: new pg.Pool({ ...config, pipeline: true }) };
};

/** Callers that wait for a connection at most. */
const MAX_WAITING = 1_000;
/** Minimum between two renewals of all connections while the server is read-only, milliseconds: reads need them. */
const RENEWAL_INTERVAL_MS = 1_000;

/** The pools report only by this message that all connections are in use. */
const NONE_FREE = "timeout exceeded when trying to connect";

const connectError = (error: unknown): unknown =>
  error instanceof Error && error.message === NONE_FREE
    ? new SaturatedError("no connection to PostgreSQL became free in time", { cause: error })
    : error;

export type ConnectionPool = ReturnType<typeof createPool>;

export const createPool = (url: string, options: PoolOptions) => {
  const { pool, pipelines } = createDriver(url, options);
  const connections = new WeakMap<object, Connection>();
  /** Connections opened before lead to a server that has become read-only. `performance.now()` */
  let renewedAtMs = Number.NEGATIVE_INFINITY;

  // Each connection reports its own loss.
  pool.on("error", () => undefined);
  pool.on("connect", (client) => {
    connections.set(client, new Connection(client, pipelines, options.onLoss));
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

  /** A connection that has met a read-only server is closed, so that later writes find the new primary. */
  const giveBack = (connection: Connection, { readOnly }: Scope): void => {
    if (!readOnly && connection.isReadOnly) {
      connection.discard();
      if (performance.now() - renewedAtMs >= RENEWAL_INTERVAL_MS) renewedAtMs = performance.now();
    }
    connection.release();
  };

  /**
   * Runs the work with a connection of its own, which is released when the work has settled. When the request ends, the
   * running statement is ended too, so that the work settles soon.
   *
   * @param permit settled by a failure to open a connection, else by the work; ignored if the work sends nothing
   * @throws UnavailableError or DeadlineError without a connection; DeadlineError when the request ends; the work's error
   */
  const use = async <T>(
    scope: Scope,
    permit: Permit,
    work: (connection: Connection) => Promise<T>,
  ): Promise<T> => {
    const connection = await openWithin(scope, permit);
    if (scope.ended !== undefined) {
      permit.ignore();
      connection.release();
      throw requestEnded(scope.ended);
    }
    let closing: NodeJS.Timeout | undefined;
    const stopWatching = scope.onEnd((reason) => {
      if (reason === "abandoned") permit.ignore();
      closing = setTimeout(() => connection.destroy(), GRACE_MS[reason]);
    });
    const finish = (): void => {
      clearTimeout(closing);
      stopWatching();
      // If the work sent nothing, the permit is still open.
      permit.ignore();
      giveBack(connection, scope);
    };
    const working = work(connection);
    working.then(finish, finish);
    return await untilEnd(scope, working);
  };

  return {
    pipelines,
    maxConnections: options.maxConnections,
    counts: pool,
    open,
    use,
    end: () => pool.end(),
  };
};
