/** Connections lent to one user at a time: for what writes, and for transactions. */
import type { Scope } from "./database.ts";
import type { Driver, DriverClient } from "./driver.ts";
import { DeadlineError, failureOf, isReadOnlyServer, UnavailableError } from "./failure.ts";
import { untilEnd } from "./until-end.ts";

export interface ExclusiveConnections {
  /**
   * Lends a connection until the work has settled. One that is no longer good is ended afterwards: lost, left in
   * a transaction, cancelled, or of a server that takes no writes. When the request ends, what the connection
   * does is ended too, so that the work settles soon.
   *
   * @throws UnavailableError, DeadlineError where none can be had, or when the request ends; what the work throws
   */
  lend<T>(scope: Scope, work: (client: DriverClient) => Promise<T>): Promise<T>;
  /** A connection that the caller gives back itself. */
  open(): Promise<DriverClient>;
}

/** So many wait for a connection at most; more would only wait in vain. */
const MAX_WAITING = 1_000;
/** So often connections are renewed at most while the server takes no writes: reads need them, milliseconds. */
const RENEWAL_MS = 1_000;
/** For so long the server's own cancelling is waited for before the connection is ended, milliseconds. */
const GRACE_MS = 250;

export const createExclusiveConnections = (driver: Driver): ExclusiveConnections => {
  const { pool } = driver;
  /** When a server has turned read-only, every connection made before is led to it. */
  let generation = 0;
  let renewedAtMs = Number.NEGATIVE_INFINITY;
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
  const endWith = (scope: Scope, client: DriverClient, onEnd: (error: DeadlineError) => void) => {
    let timer: NodeJS.Timeout | undefined;
    let isCancelled = false;
    const cancel = async (): Promise<void> => {
      isCancelled = true;
      await driver.cancel(client);
    };
    const takeBack = scope.onEnd((reason) => {
      onEnd(new DeadlineError(`the request has ended (${reason})`));
      // At the deadline the server cancels by itself; before it, it has to be asked.
      if (reason === "abandoned") void cancel();
      timer = setTimeout(() => {
        void cancel().finally(() => client.connection.stream.destroy());
      }, GRACE_MS);
    });
    return (): { readonly isCancelled: boolean } => {
      clearTimeout(timer);
      takeBack();
      return { isCancelled };
    };
  };

  /** Uses no connection any more that is there now: they lead to a server that takes no writes. */
  const renew = (): void => {
    if (performance.now() - renewedAtMs < RENEWAL_MS) return;
    renewedAtMs = performance.now();
    generation += 1;
  };

  const lendNow = <T>(
    scope: Scope,
    client: DriverClient,
    work: (client: DriverClient) => Promise<T>,
  ): Promise<T> =>
    new Promise((resolve, reject) => {
      const settle = endWith(scope, client, reject);
      const giveBack = (isUsable: boolean): void => {
        const { isCancelled } = settle();
        // A cancel request may still be on its way: it must not meet a stranger's statement.
        client.release(!isUsable || isCancelled || !driver.isIdle(client));
      };
      work(client).then(
        (result) => {
          giveBack(true);
          resolve(result);
        },
        (error: unknown) => {
          const isOfNoUse = !scope.readOnly && isReadOnlyServer(error);
          if (isOfNoUse) renew();
          giveBack(!isOfNoUse);
          reject(error);
        },
      );
    });

  return {
    open,
    lend: async (scope, work) => {
      if (scope.ended !== undefined) throw new DeadlineError(`the request has ended (${scope.ended})`);
      const client = await openWithin(scope).catch((error: unknown) => {
        throw failureOf(error, undefined, scope);
      });
      if (scope.ended !== undefined) {
        client.release(false);
        throw new DeadlineError(`the request has ended (${scope.ended})`);
      }
      return await lendNow(scope, client, work);
    },
  };
};
