/**
 * Connections for single reads of several requests at once: a statement is written behind the one under
 * way instead of waiting for a connection of its own. Half the system calls and half the server's processes go
 * with it. Each statement is a transaction of its own all the same: it ends with its own Sync.
 *
 * A statement's time begins when the server begins it. One that waited behind a stuck one may so begin after its
 * deadline, and is ended soon; a read does no harm by it, a write would. So no write comes here.
 */
import { setImmediate as turn } from "node:timers/promises";
import type { Permit } from "../../resilience/circuit-breaker/circuit-breaker.ts";
import type { EndReason, Scope } from "./database.ts";
import type { Driver, DriverClient, WireStatement } from "./driver.ts";
import {
  CANCELLED,
  DeadlineError,
  failureOf,
  isDue,
  isServersAnswer,
  SaturatedError,
  sqlState,
  UnavailableError,
} from "./failure.ts";
import { judgeStatement, tell, tellOpening } from "./judge.ts";
import { untilEnd } from "./until-end.ts";

/** Makes the statement anew for each sending. */
export type Send = (callback: (error: unknown, rows: readonly unknown[]) => void) => WireStatement;

export interface Read {
  readonly scope: Scope;
  /** Settled by the first thing that the wire shows. */
  readonly permit: Permit;
  readonly send: Send;
}

export interface SharedConnections {
  /** Runs one read. One that was lost with its connection, or cancelled for a stranger's sake, is sent again. */
  run(read: Read): Promise<readonly unknown[]>;
}

export interface SharedOptions {
  /** Connections shared while statements come back quickly. */
  readonly few: number;
  /** Connections shared at most. */
  readonly most: number;
  readonly open: () => Promise<DriverClient>;
}

interface Sent {
  /** Why nobody waits for its answer any more. */
  endedBy: EndReason | undefined;
}

interface Shared {
  readonly client: DriverClient;
  /** What has been sent and not answered; the first one is under way. */
  readonly queue: Sent[];
  /** When the statement under way began, as far as is known here: `performance.now()`. */
  headSinceMs: number;
  /** It is not there any more, as its first statement has learnt. */
  isLost: boolean;
  /** It takes no further statement, and is ended after the last one that it has. */
  retired: boolean;
  /** It takes no further statement, and goes back after the last one that it has. */
  yields: boolean;
}

/** So many statements wait behind one another at most: beyond it the database is overloaded. */
const MAX_DEPTH = 256;
/** A statement that takes longer makes its connection one to avoid, milliseconds. */
const STUCK_MS = 20;
/** For so long the server's own cancelling, and then ours, is waited for, milliseconds. */
const GRACE_MS = 250;
/** So often a statement is sent at most: each time its connection may be lost, or cancelled by a stranger. */
const MAX_SENDS = 3;

export const createSharedConnections = (
  driver: Driver,
  { few, most, open }: SharedOptions,
): SharedConnections => {
  let connections: Shared[] = [];
  let opening: Promise<void> | undefined;
  /** Connections that take no more so that somebody else may have them. */
  let yielding = 0;

  const isStuck = (shared: Shared): boolean =>
    shared.queue.length > 0 && performance.now() - shared.headSinceMs > STUCK_MS;

  const leastLoaded = (candidates: readonly Shared[]): Shared | undefined => {
    let least: Shared | undefined;
    for (const shared of candidates) {
      if (least === undefined || shared.queue.length < least.queue.length) least = shared;
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
    if (shared.yields) yielding -= 1;
    shared.client.release(shared.retired);
  };

  /** A connection that is never without a statement would never go back while others wait for one. */
  const yieldToWaiting = (): void => {
    if (driver.pool.waitingCount <= yielding || driver.pool.idleCount > 0) return;
    const shared = leastLoaded(connections);
    if (shared === undefined || shared.queue.length === 0) return;
    shared.yields = true;
    yielding += 1;
    withdraw(shared);
  };

  const openAnother = (): Promise<void> => {
    opening ??= open()
      .then((client) => {
        const states = { isLost: false, retired: false, yields: false };
        const shared: Shared = { client, queue: [], headSinceMs: 0, ...states };
        connections.push(shared);
        // Those who waited for it write at once; where nobody does any more, it goes back.
        setImmediate(() => {
          if (shared.queue.length === 0 && connections.includes(shared)) giveBack(shared);
        });
      })
      .finally(() => {
        opening = undefined;
      });
    return opening;
  };

  const mayOpen = (limit: number): boolean =>
    connections.length < limit &&
    (driver.pool.idleCount > 0 || driver.pool.totalCount < driver.pool.maxCount);

  /** A connection to write to now; where there is none, one has to be opened first. */
  const choose = (): Shared | undefined => {
    yieldToWaiting();
    const flowing = leastLoaded(
      connections.some(isStuck) ? connections.filter((each) => !isStuck(each)) : connections,
    );
    if (flowing === undefined) return mayOpen(most) ? undefined : leastLoaded(connections);
    if (flowing.queue.length > 0 && mayOpen(few)) openAnother().catch(() => undefined);
    return flowing;
  };

  /**
   * Ends the statement under way at the server where nobody waits for it: at its deadline the server does so by
   * itself; what is abandoned, or sent long before, has to be asked for. Those behind it have another connection
   * to go to.
   */
  const giveUp = (
    shared: Shared,
    { endedBy }: Sent,
    afterMs = endedBy === "abandoned" ? STUCK_MS : GRACE_MS,
  ): void => {
    const sent = shared.queue[0];
    const later = (ms: number, act: () => void): void => {
      setTimeout(() => {
        if (shared.queue[0] === sent) act();
      }, ms).unref();
    };
    later(afterMs, () => {
      retire(shared);
      void driver.cancel(shared.client);
      later(GRACE_MS, () => shared.client.connection.stream.destroy());
    });
  };

  const onAnswer = (shared: Shared, error: unknown): void => {
    shared.queue.shift();
    shared.headSinceMs = performance.now();
    const [head] = shared.queue;
    if (head?.endedBy !== undefined) giveUp(shared, head, 0);
    if (error !== undefined && !isServersAnswer(error)) {
      shared.isLost = true;
      retire(shared);
    }
    if (head === undefined) giveBack(shared);
  };

  const sendOn = (shared: Shared, { scope, permit, send }: Read): Promise<readonly unknown[]> =>
    new Promise((resolve, reject) => {
      const sent: Sent = { endedBy: undefined };
      const statement = send((error, rows) => {
        takeBack();
        // With a connection every statement on it is lost: the first one says so, the others nothing new.
        if (shared.isLost) permit.ignore();
        else tell(permit, judgeStatement(error));
        onAnswer(shared, error);
        if (error === undefined) resolve(rows);
        else reject(error);
      });
      if (shared.queue.length === 0) shared.headSinceMs = performance.now();
      shared.queue.push(sent);
      const takeBack = scope.onEnd((reason) => {
        sent.endedBy = reason;
        reject(new DeadlineError(`the request has ended (${reason})`));
        const isUnderWay = shared.queue[0] === sent;
        // What waited behind a stranger's statement, or is cancelled before its time, need not be answered soon.
        if (!isUnderWay || reason === "abandoned") permit.ignore();
        if (isUnderWay) giveUp(shared, sent);
      });
      shared.client.query(statement);
    });

  /** Whether it failed by no fault of its own. */
  const maySendAgain = (error: unknown, scope: Scope): boolean => {
    if (error instanceof UnavailableError || scope.ended !== undefined) return false;
    if (!isServersAnswer(error)) return true;
    return sqlState(error) === CANCELLED && !isDue(scope);
  };

  const sendOrRefuse = (shared: Shared, read: Read): Promise<readonly unknown[]> => {
    if (shared.queue.length < MAX_DEPTH) return sendOn(shared, read);
    read.permit.ignore();
    throw new SaturatedError("every connection to PostgreSQL has as many statements as it may");
  };

  const attempt = async (read: Read): Promise<readonly unknown[]> => {
    const { scope, permit } = read;
    for (;;) {
      const shared = choose();
      // Chosen and written to in one turn, or two would choose the same.
      if (shared !== undefined) return await sendOrRefuse(shared, read);
      const opened = openAnother();
      try {
        await untilEnd(scope, opened);
      } catch (error) {
        // One that cannot be opened leaves those that are there.
        const other = leastLoaded(connections);
        if (other !== undefined && scope.ended === undefined) return await sendOrRefuse(other, read);
        tellOpening(permit, opened);
        throw failureOf(error, undefined, scope);
      }
    }
  };

  return {
    run: async (read) => {
      for (let sends = 1; ; sends += 1) {
        try {
          return await attempt(read);
        } catch (error) {
          if (sends === MAX_SENDS || !maySendAgain(error, read.scope)) throw error;
          // Where one connection is lost others are too, as this turn of the event loop will tell.
          await turn();
        }
      }
    },
  };
};
