/**
 * Connections that several requests share for single reads: a read is sent behind the running one instead of waiting for a
 * connection of its own, which halves the system calls and the server processes. `pg` pipelines on one client, but its pool
 * lends a client to one user.
 *
 * Each read is a transaction of its own. The server ends one that takes longer than `SHARED_MS`, so that none delays the
 * others for long; the caller repeats it on a connection of its own. A read that waited behind others may begin after its
 * deadline. That is harmless for a read but not for a write, so writes never share connections.
 */
import { setImmediate as turn } from "node:timers/promises";
import type { Permit } from "../../resilience/circuit-breaker/circuit-breaker.ts";
import { type Connection, GRACE_MS, type StatementResult } from "./connection.ts";
import { type Scope, untilEnd } from "./database.ts";
import {
  classifyOpening,
  classifyStatement,
  isCutShort,
  isServersAnswer,
  requestEnded,
  SaturatedError,
  settleBy,
  settlePermit,
  typedError,
  UnavailableError,
} from "./errors.ts";
import type { ConnectionPool } from "./pool.ts";

export interface Read {
  readonly scope: Scope;
  /** Settled by the first outcome on the connection, unless the read was cut short. */
  readonly permit: Permit;
  /** Sends the statement with a timeout of `SHARED_MS` at most; called once for each attempt. */
  readonly send: (connection: Connection) => Promise<StatementResult>;
}

/**
 * The longest statement on a shared connection, milliseconds. A longer one runs twice, so the limit is far above the reads of a
 * slow database, which repetitions would keep slow.
 */
export const SHARED_MS = 1_000;

interface Shared {
  readonly connection: Connection;
  /** Reads sent and not answered. The server runs the first one. */
  readonly queue: { hasRequestEnded: boolean }[];
  /** When the first read of the queue began, as seen by this process. `performance.now()` */
  headSinceMs: number;
  isLost: boolean;
}

/** The part of all connections that reads may share; the rest is for writes and transactions. */
const MAX_SHARE = 0.4;
/** Reads spread over this many connections before they queue behind one another. */
const MIN_CONNECTIONS = 4;
/** Reads queued on one connection at most; beyond it the database is overloaded. */
const MAX_DEPTH = 256;
/** A connection whose read takes longer is avoided, milliseconds. */
const STUCK_MS = 20;
/** Attempts of one read. */
const MAX_SENDS = 3;

const leastLoaded = (candidates: Iterable<Shared>): Shared | undefined => {
  let least: Shared | undefined;
  for (const each of candidates)
    if (least === undefined || each.queue.length < least.queue.length) least = each;
  return least;
};

const isStuck = ({ queue, headSinceMs }: Shared): boolean =>
  queue.length > 0 && performance.now() - headSinceMs > STUCK_MS;

const isLost = (error: unknown, scope: Scope): boolean =>
  !(error instanceof UnavailableError) && scope.ended === undefined && !isServersAnswer(error);

export const sharedReads = ({ counts, maxConnections, open }: ConnectionPool) => {
  const most = Math.max(1, Math.floor(maxConnections * MAX_SHARE));
  const few = Math.min(MIN_CONNECTIONS, most);
  const connections = new Set<Shared>();
  let opening: Promise<void> | undefined;

  /** A connection without reads returns to the pool, which closes idle connections. */
  const giveBack = (shared: Shared): void => {
    connections.delete(shared);
    shared.connection.release();
  };

  const mayOpen = (limit: number): boolean =>
    connections.size < limit && (counts.idleCount > 0 || counts.totalCount < maxConnections);

  const openAnother = (): Promise<void> => {
    opening ??= open()
      .then((connection) => {
        const shared: Shared = { connection, queue: [], headSinceMs: 0, isLost: false };
        connections.add(shared);
        // The reads that waited for it are sent in this turn. If none did, it is not needed.
        setImmediate(() => {
          if (shared.queue.length === 0 && connections.has(shared)) giveBack(shared);
        });
      })
      .finally(() => {
        opening = undefined;
      });
    return opening;
  };

  /** A connection to send on now; undefined if one must be opened first. */
  const choose = (): Shared | undefined => {
    const flowing = leastLoaded([...connections].filter((each) => !isStuck(each)));
    if (flowing === undefined) return mayOpen(most) ? undefined : leastLoaded(connections);
    if (flowing.queue.length > 0 && mayOpen(few)) openAnother().catch(() => undefined);
    return flowing;
  };

  /**
   * Closes the connection if the server does not end the running read in time, but not before: PgBouncer could give the
   * server's connection to another client while reads that were sent behind are still running.
   */
  const closeIfHung = (shared: Shared): void => {
    const running = shared.queue[0];
    const close = (): void => {
      if (shared.queue[0] !== running) return;
      connections.delete(shared);
      shared.connection.destroy();
    };
    setTimeout(close, SHARED_MS + GRACE_MS.deadline).unref();
  };

  const onAnswer = (shared: Shared, error: unknown): void => {
    shared.queue.shift();
    shared.headSinceMs = performance.now();
    const [head] = shared.queue;
    if (head?.hasRequestEnded === true) closeIfHung(shared);
    if (error !== undefined && !isServersAnswer(error)) {
      shared.isLost = true;
      shared.connection.discard();
      connections.delete(shared);
    }
    if (head === undefined) giveBack(shared);
  };

  const sendOn = (shared: Shared, { scope, permit, send }: Read): Promise<readonly unknown[]> =>
    new Promise((resolve, reject) => {
      const { queue } = shared;
      if (queue.length >= MAX_DEPTH) {
        permit.ignore();
        throw new SaturatedError("too many statements wait on every connection to PostgreSQL");
      }
      const sent = { hasRequestEnded: false };
      if (queue.length === 0) shared.headSinceMs = performance.now();
      queue.push(sent);
      const stopWatching = scope.onEnd((reason) => {
        sent.hasRequestEnded = true;
        reject(requestEnded(reason));
        const isRunning = queue[0] === sent;
        // A read that waited behind another one, or is canceled early, says nothing about the server.
        if (!isRunning || reason === "abandoned") permit.ignore();
        if (isRunning) closeIfHung(shared);
      });
      const settle = (error?: unknown): void => {
        stopWatching();
        // All reads fail with their connection. The first one reports it.
        if (shared.isLost) permit.ignore();
        else if (!isCutShort(error, scope)) settlePermit(permit, classifyStatement(error));
        onAnswer(shared, error);
      };
      send(shared.connection).then(
        ({ rows }) => {
          settle();
          resolve(rows);
        },
        (error: unknown) => {
          settle(error);
          reject(error);
        },
      );
    });

  const attempt = async (read: Read): Promise<readonly unknown[]> => {
    const { scope, permit } = read;
    for (;;) {
      const shared = choose();
      // Chosen and used in one turn; otherwise two reads would choose the same one.
      if (shared !== undefined) return await sendOn(shared, read);
      const opened = openAnother();
      try {
        await untilEnd(scope, opened);
      } catch (error) {
        const other = leastLoaded(connections);
        if (other !== undefined && scope.ended === undefined) return await sendOn(other, read);
        settleBy(permit, opened, classifyOpening);
        throw typedError(error, undefined, scope);
      }
    }
  };

  /**
   * Runs one read. A read lost with its connection is sent again.
   *
   * @throws the server's error, for which `isCutShort` is true if the read took longer than `SHARED_MS`
   */
  return async (read: Read): Promise<readonly unknown[]> => {
    for (let sends = 1; ; sends += 1) {
      try {
        return await attempt(read);
      } catch (error) {
        if (sends === MAX_SENDS || !isLost(error, read.scope)) throw error;
        // Connections are often lost together, which shows within this turn.
        await turn();
      }
    }
  };
};
