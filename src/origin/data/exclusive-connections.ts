/** Connections lent to one user at a time: for what writes, and for transactions. */
import type { Scope } from "./database.ts";
import type { Driver, DriverClient } from "./driver.ts";
import {
  DeadlineError,
  failureOf,
  isReadOnlyServer,
  isServersAnswer,
  isStaleState,
  UnavailableError,
} from "./failure.ts";
import { untilEnd } from "./until-end.ts";

export interface ExclusiveConnections {
  /**
   * Lends a connection for the work. One that is no longer good is ended afterwards: after a failure that was
   * not the server's own answer, or when the request has ended meanwhile.
   *
   * @throws UnavailableError, DeadlineError where none can be had, and what the work throws
   */
  lend<T>(scope: Scope, work: (client: DriverClient) => Promise<T>): Promise<T>;
  /** A connection that the caller gives back itself. */
  open(): Promise<DriverClient>;
  /** Uses no connection any more that is there now: they lead to a server that takes no writes. */
  renew(): void;
}

/** So many wait for a connection at most; more would only wait in vain. */
const MAX_WAITING = 1_000;
/** For so long the server's own cancelling is waited for before the connection is ended, milliseconds. */
const GRACE_MS = 250;

export const createExclusiveConnections = (driver: Driver): ExclusiveConnections => {
  const { pool } = driver;
  /** When a server has turned read-only, every connection made before is led to it. */
  let generation = 0;
  const born = new WeakMap<DriverClient, number>();

  const open = async (): Promise<DriverClient> => {
    if (pool.waitingCount >= MAX_WAITING)
      throw new UnavailableError("too many wait for a connection to PostgreSQL");
    for (;;) {
      const client = await pool.connect();
      const bornIn = born.get(client) ?? generation;
      born.set(client, bornIn);
      if (bornIn === generation) return client;
      client.release(true);
    }
  };

  /** Waits no longer than the request does; a connection that comes too late goes back. */
  const openWithin = async (scope: Scope): Promise<DriverClient> => {
    const opening = open();
    try {
      return await untilEnd(scope, opening);
    } catch (error) {
      opening.then(
        (client) => client.release(false),
        () => undefined,
      );
      throw error;
    }
  };

  /** Ends what the connection does when nobody waits for it any more. */
  const endWith = (scope: Scope, client: DriverClient): (() => void) => {
    let timer: NodeJS.Timeout | undefined;
    const takeBack = scope.onEnd((reason) => {
      // At the deadline the server cancels by itself; before it, it has to be asked.
      if (reason === "abandoned") void driver.cancel(client);
      timer = setTimeout(() => {
        void driver.cancel(client).finally(() => client.connection.stream.destroy());
      }, GRACE_MS);
    });
    return () => {
      clearTimeout(timer);
      takeBack();
    };
  };

  const renew = (): void => {
    generation += 1;
  };

  return {
    open,
    renew,
    lend: async (scope, work) => {
      if (scope.ended !== undefined) throw new DeadlineError(`the request has ended (${scope.ended})`);
      const client = await openWithin(scope).catch((error: unknown) => {
        throw failureOf(error, undefined, scope);
      });
      const release = endWith(scope, client);
      let isWhole = false;
      try {
        const result = await work(client);
        isWhole = true;
        return result;
      } catch (error) {
        const cause = error instanceof Error ? (error.cause ?? error) : error;
        isWhole = isServersAnswer(cause) && !isReadOnlyServer(cause) && !isStaleState(cause);
        if (isReadOnlyServer(cause) && !scope.readOnly) renew();
        throw error;
      } finally {
        release();
        // A cancel request may still be on its way: it must not meet a stranger's statement.
        client.release(!isWhole || scope.ended !== undefined);
      }
    },
  };
};
