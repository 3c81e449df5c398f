/**
 * The database as an origin uses it. Statements end at their request's deadline, at the server too; connections may be lost
 * at any time; nothing depends on a session.
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
  timedScope,
} from "./database.ts";
import {
  acquirePermit,
  classifyStatement,
  commitError,
  isConcurrencyFailure,
  isCutShort,
  isStalePlan,
  requestEnded,
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
  /** Call it once. */
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
  /** Called for every statement, and every end of a transaction. @default none */
  readonly observe?: ObserveData | undefined;
}

/** Limit of work outside of requests, milliseconds. */
const MAINTENANCE_TIMEOUT_MS = 15_000;
/** Characters of a statement in the log. */
const MAX_LOGGED_LENGTH = 500;
/** A transaction's statements share one setting of the timeout for so long, by which they can outlast the deadline, milliseconds. */
const SETTINGS_MS = 20;
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

/** The rest of the deadline, whole milliseconds. To PostgreSQL 0 means no limit. */
const timeoutMs = ({ deadlineAtMs }: Scope): number =>
  deadlineAtMs === Number.POSITIVE_INFINITY ? 0 : Math.max(1, Math.ceil(deadlineAtMs - Date.now()));

const throwIfEnded = ({ ended }: Scope): void => {
  if (ended !== undefined) throw requestEnded(ended);
};

const typed = <T>(scope: Scope, text: string, sent: Promise<T>): Promise<T> =>
  sent.catch((error: unknown) => {
    throw typedError(error, text, scope);
  });

/** For statements that commit. */
const committing = <T>(scope: Scope, text: string, sent: Promise<T>): Promise<T> =>
  sent.catch((error: unknown) => {
    throw commitError(error, text, scope);
  });

const MAX_TRIES = 8;
const FIRST_PAUSE_MS = 5;
const MAX_PAUSE_MS = 250;

/**
 * Runs an attempt again that failed for a reason of concurrency or a stale plan, with full jitter, within the deadline.
 *
 * @param onStalePlan called if the connection did not have a prepared statement as expected
 * @param pause waits for some milliseconds
 * @throws the error of the last attempt
 */
export const withRetries = async <T>(
  scope: Scope,
  attempt: () => Promise<T>,
  onStalePlan: (error: unknown) => void,
  pause = sleep,
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
      if (pauseMs > 0) await pause(pauseMs);
    }
  }
};

export const connectPostgres = (url: string, options: PostgresOptions): PostgresPool => {
  const { minConnections = 0, log, slowStatementMs = 500, observe, breaker } = options;
  const operationOf = statementOperations();
  const onLoss = (error: unknown): void => log.warn({ err: error }, "lost a connection to PostgreSQL");
  const pool = createPool(url, { ...options, onLoss });
  // Under steady load a shared connection never becomes free: writes need another one.
  const runShared = pool.pipelines && pool.maxConnections > 1 ? sharedReads(pool) : undefined;
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

  const toSend = (scope: Scope, statement: SqlStatement) => ({
    ...statement,
    // Setting it would begin a transaction.
    timeoutMs: statement.outsideTransaction === true ? undefined : timeoutMs(scope),
    prepared,
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
   * Reads share connections if the driver pipelines; very slow ones move to a connection of their own. A write always has one:
   * behind another statement it could begin late, and take effect although its request was answered with 504.
   */
  const runSingle = async (scope: Scope, statement: SqlStatement): Promise<readonly unknown[]> => {
    const permit = acquirePermit(breaker);
    if (runShared !== undefined && scope.readOnly) {
      const send = (connection: Connection) => {
        const toShare = toSend(scope, statement);
        return connection.send({
          ...toShare,
          timeoutMs: Math.min(SHARED_MS, toShare.timeoutMs || SHARED_MS),
        });
      };
      try {
        return await runShared({ scope, permit, send });
      } catch (error) {
        if (!isCutShort(error, scope)) throw typedError(error, statement.text, scope);
      }
    }
    return await pool.use(scope, permit, async (connection) => {
      const sent = connection.send(toSend(scope, statement));
      settleBy(permit, sent, classifyStatement);
      return (await committing(scope, statement.text, sent)).rows;
    });
  };

  const query = async (scope: Scope, statement: SqlStatement): Promise<readonly unknown[]> => {
    rejectControl(statement.text);
    throwIfEnded(scope);
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
    /** Settings of the transaction that a statement would repeat. */
    let settings: { readonly sentAtMs: number; readonly plan: SqlStatement["plan"] } | undefined;
    const settingsFor = ({ plan }: SqlStatement): Pick<StatementToSend, "timeoutMs"> => {
      const sentAtMs = performance.now();
      const isSet = settings !== undefined && sentAtMs - settings.sentAtMs < SETTINGS_MS;
      if (isSet && (plan === undefined || settings?.plan === plan)) return { timeoutMs: undefined };
      settings = { sentAtMs, plan: plan ?? settings?.plan };
      return { timeoutMs: timeoutMs(scope) };
    };
    return {
      run: async (statement, before) => {
        const { text } = statement;
        rejectControl(text);
        return await instrumented(scope, text, async () => {
          const sent = connection.send({ ...statement, ...settingsFor(statement), before, prepared });
          return (await tracked(text, sent)).rows;
        });
      },
      runAll: async (first, second) => {
        rejectControl(first.text);
        const sent = connection.send({ ...toSend(scope, first), after: second });
        settleBy(permit, sent, classifyStatement);
        const committed = committing(scope, first.text, sent);
        return await Promise.all([
          instrumented(scope, first.text, async () => (await committed).rowsBefore),
          instrumented(scope, second.text, async () => (await committed).rows),
        ]);
      },
      command: (text) => {
        // The end of a savepoint may undo settings.
        settings = undefined;
        return tracked(text, connection.sendCommand(text));
      },
      script: (text) => {
        settings = undefined;
        return tracked(text, connection.sendScript(text, timeoutMs(scope)));
      },
      end: (text) =>
        observed(observe, operationOf(text), async () => {
          const sent = connection.sendCommand(text);
          settleBy(permit, sent, classifyStatement);
          const { command } = await committing(scope, text, sent);
          connection.isInTransaction = false;
          return command;
        }),
    };
  };

  const transaction = <T>(scope: Scope, work: (transaction: Transaction) => Promise<T>): Promise<T> => {
    const attempt = async (): Promise<T> => {
      throwIfEnded(scope);
      const permit = acquirePermit(breaker);
      return await pool.use(scope, permit, (connection) =>
        runTransaction(wireOf(connection, scope, permit), scope, work),
      );
    };
    return withRetries(scope, attempt, onStalePlan);
  };

  const within = (scope: Scope): Database => ({
    query: queryBy((statement) => query(scope, statement)),
    transaction: (work) => transaction(scope, work),
  });

  /** The copy fixes the deadline at the beginning. */
  const maintenance = (): Database => within({ ...timedScope("maintenance", MAINTENANCE_TIMEOUT_MS) });

  return {
    within,
    query: (text, values, queryOptions) => maintenance().query(text, values, queryOptions),
    transaction: (work) => maintenance().transaction(work),
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
