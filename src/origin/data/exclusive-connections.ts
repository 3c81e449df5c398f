/** Connections lent to one user at a time: for what writes, and for transactions. */
import type { Permit } from "../../resilience/circuit-breaker/circuit-breaker.ts";
import type { Scope } from "./database.ts";
import type { Driver, DriverClient } from "./driver.ts";
import { DeadlineError, failureOf, isReadOnlyServer, SaturatedError } from "./failure.ts";
import { tellOpening } from "./judge.ts";
import { untilEnd } from "./until-end.ts";

export interface ExclusiveConnections {
  /**
   * Lends a connection until the work has settled. One that is no longer good is ended afterwards: lost, left in
   * a transaction, cancelled, or of a server that takes no writes. When the request ends, what the connection
   * does is ended too, so that the work settles soon.
   *
   * @param permit is settled by what becomes of the opening; else by the work, or not at all when that has settled
   * @throws UnavailableError, DeadlineError where none can be had, or when the request ends; what the work throws
   */
  lend<T>(scope: Scope, permit: Permit, work: (client: DriverClient) => Promise<T>): Promise<T>;
  /** A connection that the caller gives back itself. */
  open(): Promise<DriverClient>;
}

/** So many wait for a connection at most; more would only wait in vain. */
const MAX_WAITING = 1_000;
/** So often connections are renewed at most while the server takes no writes: reads need them, milliseconds. */
const RENEWAL_MS = 1_000;
/** For so long the server's own cancelling is waited for before the connection is ended, milliseconds. */
const GRACE_MS = 250;

/** A connection that is lent, to whom, and what tells of it. */
interface Loan {
  readonly scope: Scope;
  readonly client: DriverClient;
  readonly permit: Permit;
}

export const createExclusiveConnections = (driver: Driver): ExclusiveConnections => {
  const { pool } = driver;
  /** When a server has turned read-only, every connection made before is led to it. */
  let generation = 0;
  let renewedAtMs = Number.NEGATIVE_INFINITY;
  const born = new WeakMap<DriverClient, number>();

  const open = async (): Promise<DriverClient> => {
    if (pool.waitingCount >= MAX_WAITING)
      throw new SaturatedError("too many wait for a connection to PostgreSQL");
    for (;;) {
      const client = await pool.connect();
      const bornIn = born.get(client) ?? generation;
      born.set(client, bornIn);
      if (bornIn === generation) return client;
      client.release(true);
    }
  };

  /** Waits no longer than the request does; a connection that comes too late goes back. */
  const openWithin = async (scope: Scope, permit: Permit): Promise<DriverClient> => {
    const opening = open();
    try {
      return await untilEnd(scope, opening);
    } catch (error) {
      tellOpening(permit, opening);
      opening.then(
        (client) => client.release(false),
        () => undefined,
      );
      throw error;
    }
  };

  /** Ends what the connection does when nobody waits for it any more. */
  const endWith = (
    { scope, client, permit }: Loan,
    onEnd: (error: DeadlineError) => void,
  ): (() => { readonly isCancelled: boolean }) => {
    let timer: NodeJS.Timeout | undefined;
    let isCancelled = false;
    const cancel = async (): Promise<void> => {
      isCancelled = true;
      await driver.cancel(client);
    };
    const takeBack = scope.onEnd((reason) => {
      onEnd(new DeadlineError(`the request has ended (${reason})`));
      // At the deadline the server cancels by itself; before it, it has to be asked, and may take its time.
      if (reason === "abandoned") {
        permit.ignore();
        void cancel();
      }
      timer = setTimeout(() => {
        void cancel().finally(() => client.connection.stream.destroy());
      }, GRACE_MS);
    });
    return () => {
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

  const lendNow = <T>(loan: Loan, work: (client: DriverClient) => Promise<T>): Promise<T> =>
    new Promise((resolve, reject) => {
      const { scope, client, permit } = loan;
      const settle = endWith(loan, reject);
      const giveBack = (isUsable: boolean): void => {
        const { isCancelled } = settle();
        // Where the work has sent nothing.
        permit.ignore();
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
    lend: async (scope, permit, work) => {
      const endIfOver = (client?: DriverClient): void => {
        if (scope.ended === undefined) return;
        permit.ignore();
        client?.release(false);
        throw new DeadlineError(`the request has ended (${scope.ended})`);
      };
      endIfOver();
      const client = await openWithin(scope, permit).catch((error: unknown) => {
        throw failureOf(error, undefined, scope);
      });
      endIfOver(client);
      return await lendNow({ scope, client, permit }, work);
    },
  };
};
