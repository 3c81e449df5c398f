/** Connections with one user at a time, for writes and transactions. */
import type { Permit } from "../../resilience/circuit-breaker/circuit-breaker.ts";
import { settleByOpening } from "./classify-error.ts";
import type { Connection } from "./connection.ts";
import type { Scope } from "./database.ts";
import type { Driver } from "./driver.ts";
import { DeadlineError, isReadOnlyServer, SaturatedError, typedError } from "./errors.ts";
import { untilEnd } from "./until-end.ts";

export interface PooledConnections {
  /**
   * Runs the work with a connection, which is released when the work has settled. When the request ends, the running
   * statement is ended too, so that the work settles soon.
   *
   * @param permit settled by a failure to open a connection, else by the work; ignored if the work sends nothing
   * @throws UnavailableError, DeadlineError if no connection can be had, or when the request ends; what the work throws
   */
  use<T>(scope: Scope, permit: Permit, work: (connection: Connection) => Promise<T>): Promise<T>;
  /** The caller releases the connection. */
  open(): Promise<Connection>;
}

/** Callers that wait for a connection at most. */
const MAX_WAITING = 1_000;
/** While the server is read-only, connections are renewed at most once within this time, milliseconds: reads need them. */
const RENEWAL_INTERVAL_MS = 1_000;
/** Time for the server to cancel a statement by itself before its connection is closed, milliseconds. */
const GRACE_MS = 250;

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

export const pooledConnections = (driver: Driver): PooledConnections => {
  /** Connections opened before lead to a server that has become read-only. `performance.now()` */
  let renewedAtMs = Number.NEGATIVE_INFINITY;

  const open = async (): Promise<Connection> => {
    if (driver.counts.waitingCount >= MAX_WAITING)
      throw new SaturatedError("too many requests wait for a connection to PostgreSQL");
    for (;;) {
      const connection = await driver.connect();
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
      settleByOpening(permit, opening);
      opening.then(
        (connection) => connection.release(),
        () => undefined,
      );
      throw typedError(error, undefined, scope);
    }
  };

  const throwIfEnded = (scope: Scope, permit: Permit, connection?: Connection): void => {
    if (scope.ended === undefined) return;
    permit.ignore();
    connection?.release();
    throw new DeadlineError(`the request has ended (${scope.ended})`);
  };

  return {
    open,
    use: async (scope, permit, work) => {
      throwIfEnded(scope, permit);
      const connection = await openWithin(scope, permit);
      throwIfEnded(scope, permit, connection);
      const ended = Promise.withResolvers<never>();
      const stopWatching = endWithRequest(scope, permit, connection, ended.reject);
      const finish = (error?: unknown): void => {
        if (!scope.readOnly && isReadOnlyServer(error)) {
          renew();
          connection.discard();
        }
        stopWatching();
        // If the work sent nothing, the permit is still open.
        permit.ignore();
        connection.release();
      };
      const working = work(connection);
      working.then(() => finish(), finish);
      return await Promise.race([working, ended.promise]);
    },
  };
};
