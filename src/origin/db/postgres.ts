/**
 * The database as an origin uses it. Statements end at their request's deadline, at the server too; connections may be
 * lost at any time; nothing depends on a session.
 */
import { sleep } from "../../lib/async.ts";
import type { Breaker, Permit } from "../../resilience/circuit-breaker/circuit-breaker.ts";
import type { OriginLog } from "../log/log.ts";
import type { Connection, StatementToSend } from "./connection.ts";
import {
  type Database,
  queryBy,
  type Scope,
  type SqlStatement,
  type Transaction,
  type TransactionOptions,
  timedScope,
} from "./database.ts";
import {
  classifyStatement,
  DeadlineError,
  isConcurrencyFailure,
  isCutShort,
  isStalePlan,
  permitsOf,
  StatementError,
  settleBy,
  typedError,
} from "./errors.ts";
import { type ObserveData, observed, statementOperations } from "./instrument.ts";
import { SHARED_MS, sharedReads } from "./pipelining.ts";
import { createPool, type PoolOptions } from "./pool.ts";
import { runTransaction, type TransactionWire } from "./transaction.ts";

export interface PostgresPool extends Database {
  /** The database as seen by one request. */
  within(scope: Scope): Database;
  /** All connections, idle ones, and callers that wait for one. */
  usage(): { readonly total: number; readonly idle: number; readonly waiting: number };
  /** Opens the minimum number of connections. */
  warmUp(): Promise<void>;
  close(): Promise<void>;
}

export interface PostgresOptions extends Omit<PoolOptions, "onLoss"> {
  readonly log: OriginLog;
  /** Statements that take longer are logged, milliseconds. @default 500 */
  readonly slowStatementMs?: number;
  /** Whether connections keep statements prepared. @default true, until a pooler turns out not to keep them */
  readonly preparedStatements?: boolean;
  /** While it is open every statement is rejected at once. @default none */
  readonly breaker?: Breaker;
  /** Called for every statement and every end of a transaction. @default none */
  readonly observe?: ObserveData | undefined;
}

/** Limit of work outside of requests, milliseconds. */
const MAINTENANCE_TIMEOUT_MS = 15_000;
/** Characters of a statement in the log. */
const MAX_LOGGED_LENGTH = 500;
/** Unknown prepared statements after which connections are assumed not to keep them. */
const MAX_STALE_STATEMENTS = 3;

/**
 * Transaction control, after spaces, comments and empty statements. On a shared connection it would affect other requests'
 * statements, so only `transaction` sends it.
 */
const CONTROL =
  /^(?:\s|;|--[^\n]*(?:\n|$)|\/\*[\s\S]*?\*\/)*(begin|start\s+transaction|commit|end|rollback|abort|savepoint|release|prepare\s+transaction)\b/i;

const rejectControl = (text: string): void => {
  if (CONTROL.test(text)) throw new TypeError("transactions are begun and ended by transaction()");
};

/** The rest of the deadline, whole milliseconds. To PostgreSQL 0 would mean no limit. */
const timeoutMs = ({ deadlineAtMs }: Scope): number | undefined =>
  deadlineAtMs === Number.POSITIVE_INFINITY ? undefined : Math.max(1, Math.ceil(deadlineAtMs - Date.now()));

/** @throws the typed error */
const typed = async <T>(scope: Scope, text: string, sent: Promise<T>): Promise<T> => {
  try {
    return await sent;
  } catch (error) {
    throw typedError(error, text, scope);
  }
};

const MAX_TRIES = 8;
const FIRST_PAUSE_MS = 5;
const MAX_PAUSE_MS = 250;

/**
 * Runs an attempt again that failed for a reason of concurrency or a stale plan, with full jitter, within the deadline.
 *
 * @param onStalePlan called if the connection did not have a prepared statement as expected
 * @throws what the last attempt threw
 */
export const withRetries = async <T>(
  scope: Scope,
  attempt: () => Promise<T>,
  onStalePlan: (error: unknown) => void,
): Promise<T> => {
  for (let tries = 1; ; tries += 1) {
    try {
      return await attempt();
    } catch (error) {
      const isStale = isStalePlan(error);
      if (isStale) onStalePlan(error);
      if (tries === MAX_TRIES || scope.ended !== undefined || !(isStale || isConcurrencyFailure(error)))
        throw error;
      const pauseMs = isStale ? 0 : Math.random() * Math.min(FIRST_PAUSE_MS * 2 ** tries, MAX_PAUSE_MS);
      if (Date.now() + pauseMs >= scope.deadlineAtMs) throw error;
      if (pauseMs > 0) await sleep(pauseMs);
    }
  }
};

export const connectPostgres = (url: string, options: PostgresOptions): PostgresPool => {
  const { minConnections = 0, log, slowStatementMs = 500, observe } = options;
  const operationOf = statementOperations();
  const onLoss = (error: unknown): void => log.warn({ err: error }, "lost a connection to PostgreSQL");
  const pool = createPool(url, { ...options, onLoss });
  // Under steady load a shared connection never becomes free: writes need another one.
  const runShared = pool.pipelines && pool.maxConnections > 1 ? sharedReads(pool) : undefined;
  const acquirePermit = permitsOf(options.breaker);
  let prepared = options.preparedStatements ?? true;
  let staleStatements = 0;

  const onStalePlan = (error: unknown): void => {
    const isUnknown = error instanceof StatementError && error.code !== "0A000";
    if (!isUnknown || !prepared) return;
    staleStatements += 1;
    if (staleStatements < MAX_STALE_STATEMENTS) return;
    prepared = false;
    log.warn("connections do not keep prepared statements (a pooler?): continuing without them");
  };

  const toSend = (scope: Scope, statement: SqlStatement, before?: string): StatementToSend => ({
    ...statement,
    before,
    timeoutMs: timeoutMs(scope),
    prepared,
  });

  const toShare = (scope: Scope, statement: SqlStatement): StatementToSend => ({
    ...toSend(scope, statement),
    timeoutMs: Math.min(SHARED_MS, timeoutMs(scope) ?? SHARED_MS),
  });

  /** Never prepared: an unknown name would keep a transaction from beginning, or from ending. */
  const command = (text: string, before?: string): StatementToSend => ({
    text,
    before,
    values: [],
    prepared: false,
  });

  const logSlow = ({ name: route, requestId }: Scope, text: string, durationMs: number): void => {
    if (durationMs < slowStatementMs) return;
    const statement = text.replace(/\s+/g, " ").trim().slice(0, MAX_LOGGED_LENGTH);
    log.warn({ route, requestId, durationMs: Math.round(durationMs), statement }, "slow statement");
  };

  const instrumented = async <T>(scope: Scope, text: string, work: () => Promise<T>): Promise<T> => {
    const startMs = performance.now();
    try {
      return await observed(observe, operationOf(text), work);
    } finally {
      logSlow(scope, text, performance.now() - startMs);
    }
  };

  /**
   * Reads share connections if the driver pipelines, and very slow ones move to a connection of their own. A write always has
   * its own: behind another statement it would begin whenever that one ends, and take effect although its request was
   * answered with 504.
   */
  const runSingle = async (scope: Scope, statement: SqlStatement): Promise<readonly unknown[]> => {
    const permit = acquirePermit();
    if (runShared !== undefined && scope.readOnly) {
      const send = (connection: Connection) => connection.send(toShare(scope, statement));
      try {
        return await runShared({ scope, permit, send });
      } catch (error) {
        if (!isCutShort(error, scope)) throw typedError(error, statement.text, scope);
      }
    }
    return await pool.use(scope, permit, async (connection) => {
      const sent = connection.send(toSend(scope, statement));
      settleBy(permit, sent, classifyStatement);
      return (await typed(scope, statement.text, sent)).rows;
    });
  };

  const query = async (scope: Scope, statement: SqlStatement): Promise<readonly unknown[]> => {
    rejectControl(statement.text);
    if (scope.ended !== undefined) throw new DeadlineError(`the request has ended (${scope.ended})`);
    const attempt = (): Promise<readonly unknown[]> => runSingle(scope, statement);
    return await instrumented(scope, statement.text, () => withRetries(scope, attempt, onStalePlan));
  };

  const wireOf = (connection: Connection, scope: Scope, permit: Permit): TransactionWire => {
    /** A failure settles the permit at once, a success only when the transaction has ended. */
    const tracked = <T>(text: string, sent: Promise<T>): Promise<T> => {
      connection.isInTransaction = true;
      sent.catch((error: unknown) => {
        if (classifyStatement(error) === "failure") permit.fail();
      });
      return typed(scope, text, sent);
    };
    return {
      run: async (statement, before) => {
        const { text } = statement;
        rejectControl(text);
        return await instrumented(scope, text, async () => {
          const sent = connection.send(toSend(scope, statement, before));
          return (await tracked(text, sent)).rows;
        });
      },
      command: async (text, before) => (await tracked(text, connection.send(command(text, before)))).command,
      script: async (text) => void (await tracked(text, connection.sendScript(text, timeoutMs(scope)))),
      end: (text) =>
        observed(observe, operationOf(text), async () => {
          const sent = connection.send(command(text));
          settleBy(permit, sent, classifyStatement);
          const { command: tag } = await typed(scope, text, sent);
          connection.isInTransaction = false;
          return tag;
        }),
    };
  };

  const transaction = <T>(
    scope: Scope,
    work: (transaction: Transaction) => Promise<T>,
    transactionOptions: TransactionOptions = {},
  ): Promise<T> => {
    const attempt = (): Promise<T> => {
      const permit = acquirePermit();
      return pool.use(scope, permit, (connection) =>
        runTransaction(wireOf(connection, scope, permit), scope, transactionOptions, work),
      );
    };
    return withRetries(scope, attempt, onStalePlan);
  };

  const within = (scope: Scope): Database => ({
    query: queryBy((statement) => query(scope, statement)),
    transaction: (work, transactionOptions) => transaction(scope, work, transactionOptions),
  });

  /** The copy fixes the deadline at the beginning. */
  const maintenance = (): Database => within({ ...timedScope("maintenance", MAINTENANCE_TIMEOUT_MS) });

  return {
    within,
    query: (text, values, queryOptions) => maintenance().query(text, values, queryOptions),
    transaction: (work, transactionOptions) => maintenance().transaction(work, transactionOptions),
    usage: () => {
      const { totalCount: total, idleCount: idle, waitingCount: waiting } = pool.counts;
      return { total, idle, waiting };
    },
    warmUp: async () => {
      if (pool.counts.totalCount >= minConnections) return;
      const opened = await Promise.all(Array.from({ length: minConnections }, () => pool.open()));
      for (const connection of opened) connection.release();
    },
    close: () => pool.end(),
  };
};
