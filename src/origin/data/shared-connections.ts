/**
 * Connections that several requests read through at once: a statement is written behind the one under way
 * instead of waiting for a connection of its own. Half the round trips' cost and half the server's processes
 * go with it. Only what writes nothing may come here: a statement whose connection was lost or cancelled for
 * a stranger's sake is sent once more.
 */
import type { Scope } from "./database.ts";
import type { Driver, DriverClient, WireStatement } from "./driver.ts";
import { CANCELLED, isServersAnswer, sqlState, UnavailableError } from "./failure.ts";

/** Makes the statement anew for each sending. */
export type Send = (callback: (error: unknown, rows: readonly unknown[]) => void) => WireStatement;

export interface SharedConnections {
  read(scope: Scope, send: Send): Promise<readonly unknown[]>;
}

interface Shared {
  readonly client: DriverClient;
  sent: number;
  answered: number;
  /** When the statement under way began, as far as is known here: `performance.now()`. */
  headSinceMs: number;
  /** It takes no further statement, and is ended after the last one that it has. */
  retired: boolean;
}

/** So many statements wait behind one another at most: beyond it the database is overloaded. */
const MAX_DEPTH = 256;
/** Connections shared while statements come back quickly. */
const FEW = 4;
/** A statement that takes longer makes its connection one to avoid, milliseconds. */
const STUCK_MS = 20;
/** For so long the server's own cancelling is waited for before the connection is ended, milliseconds. */
const GRACE_MS = 250;

export const createSharedConnections = (
  driver: Driver,
  { maxConnections, open }: { maxConnections: number; open: () => Promise<DriverClient> },
): SharedConnections => {
  let connections: Shared[] = [];
  let opening: Promise<void> | undefined;
  // At least one connection is left to those that need one of their own.
  const most = Math.max(1, maxConnections - 1);
  const few = Math.min(FEW, most);

  const isStuck = (shared: Shared): boolean =>
    shared.sent > shared.answered && performance.now() - shared.headSinceMs > STUCK_MS;

  const leastLoaded = (candidates: readonly Shared[]): Shared | undefined => {
    let least: Shared | undefined;
    for (const shared of candidates) {
      if (least === undefined || shared.sent - shared.answered < least.sent - least.answered) least = shared;
    }
    return least;
  };

  const withdraw = (shared: Shared): void => {
    connections = connections.filter((other) => other !== shared);
  };

  const retire = (shared: Shared): void => {
    shared.retired = true;
    withdraw(shared);
  };

  /** One without a statement goes back to the pool, whose idle connections are looked after there. */
  const giveBack = (shared: Shared): void => {
    withdraw(shared);
    shared.client.release(shared.retired);
  };

  const openAnother = (): Promise<void> => {
    opening ??= open()
      .then((client) => {
        const shared = { client, sent: 0, answered: 0, headSinceMs: 0, retired: false };
        connections.push(shared);
        // Those who waited for it write at once; where nobody does any more, it goes back.
        setImmediate(() => {
          if (shared.sent === 0 && connections.includes(shared)) giveBack(shared);
        });
      })
      .finally(() => {
        opening = undefined;
      });
    return opening;
  };

  /** A connection to write to now; where there is none, one has to be opened first. */
  const choose = (): Shared | undefined => {
    const flowing = leastLoaded(
      connections.some(isStuck) ? connections.filter((each) => !isStuck(each)) : connections,
    );
    if (flowing === undefined) return connections.length < most ? undefined : leastLoaded(connections);
    if (flowing.sent > flowing.answered && connections.length < few) openAnother().catch(() => undefined);
    return flowing;
  };

  /** Ends the statement at the server when nobody waits for it, without taking it from strangers. */
  const giveUp = (shared: Shared, position: number, isAbandoned: boolean): void => {
    const isUnderWay = (): boolean => shared.answered === position && shared.sent > position;
    if (isAbandoned && isUnderWay()) {
      retire(shared);
      void driver.cancel(shared.client);
    }
    setTimeout(() => {
      if (shared.answered > position) return;
      retire(shared);
      void driver.cancel(shared.client).finally(() => shared.client.connection.stream.destroy());
    }, GRACE_MS).unref();
  };

  const sendOn = (shared: Shared, scope: Scope, send: Send): Promise<readonly unknown[]> =>
    new Promise((resolve, reject) => {
      const position = shared.sent;
      if (shared.sent === shared.answered) shared.headSinceMs = performance.now();
      shared.sent += 1;
      const takeBack = scope.onEnd((reason) => giveUp(shared, position, reason === "abandoned"));
      const statement = send((error, rows) => {
        takeBack();
        shared.answered += 1;
        shared.headSinceMs = performance.now();
        if (error !== undefined && !isServersAnswer(error)) retire(shared);
        if (shared.sent === shared.answered) giveBack(shared);
        if (error === undefined) resolve(rows);
        else reject(error);
      });
      shared.client.query(statement);
    });

  /** Whether it failed by no fault of its own. */
  const isStrangersFault = (error: unknown, scope: Scope): boolean =>
    scope.ended === undefined &&
    (!isServersAnswer(error) ||
      (sqlState(error) === CANCELLED && Date.now() < scope.deadlineAtMs - GRACE_MS));

  const attempt = async (scope: Scope, send: Send): Promise<readonly unknown[]> => {
    let shared = choose();
    if (shared === undefined) {
      // One that cannot be opened leaves those that are there.
      await openAnother().catch((error: unknown) => {
        if (connections.length === 0) throw error;
      });
      shared = choose() ?? leastLoaded(connections);
    }
    if (shared === undefined || shared.sent - shared.answered >= MAX_DEPTH) {
      throw new UnavailableError("every connection to PostgreSQL has as many statements as it may");
    }
    return await sendOn(shared, scope, send);
  };

  return {
    read: async (scope, send) => {
      try {
        return await attempt(scope, send);
      } catch (error) {
        if (error instanceof UnavailableError || !isStrangersFault(error, scope)) throw error;
        return await attempt(scope, send);
      }
    },
  };
};
