/**
 * The pool of connections to PostgreSQL. Statements end at their request's deadline, at the server too; connections may be
 * lost at any time; nothing depends on a session.
 */
import type { Breaker, Permit } from "../../resilience/circuit-breaker/circuit-breaker.ts";
import type { OriginLog } from "../log.ts";
import { classifyStatement, permitsOf, settlePermit } from "./classify-error.ts";
import type { Connection, Done, StatementResult } from "./connection.ts";
import {
  asRows,
  type Database,
  type QueryOptions,
  type Scope,
  type SqlStatement,
  type SqlValue,
  type Transaction,
  type TransactionOptions,
  timedScope,
} from "./database.ts";
import { createDriver, type Driver } from "./driver.ts";
import { DeadlineError, StatementError, typedError } from "./errors.ts";
import { type ObserveData, observed, statementOperations } from "./instrument.ts";
import { sharedReads } from "./pipelining.ts";
import { pooledConnections } from "./pooled.ts";
import { withRetries } from "./retries.ts";
import { statementSender } from "./statement.ts";
import { beginCommand, runTransaction, type TransactionWire, transactionConnection } from "./transaction.ts";

export interface PostgresPool extends Database {
  readonly driver: Driver["name"];
  /** The database as seen by one request. */
  within(scope: Scope): Database;
  /** All connections, idle ones, and callers that wait for one. */
  usage(): { readonly total: number; readonly idle: number; readonly waiting: number };
  /** Opens the minimum number of connections. */
  warmUp(): Promise<void>;
  close(): Promise<void>;
}

export interface PostgresOptions {
  readonly maxConnections: number;
  readonly log: OriginLog;
  /** @default 0 */
  readonly minConnections?: number;
  /** Limit of waiting for a connection, and of opening one, milliseconds. @default 5,000 */
  readonly connectTimeoutMs?: number;
  /** @default 60,000 */
  readonly idleTimeoutMs?: number;
  /** Statements that take longer are logged, milliseconds. @default 500 */
  readonly slowStatementMs?: number;
  /** Whether connections keep statements prepared. @default true, until a pooler turns out not to keep them */
  readonly preparedStatements?: boolean;
  /** For Neon's driver only, see `driver.ts`. */
  readonly webSocketProxy?: string;
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

/** Where a statement is sent. */
interface Target {
  readonly connection: Connection;
  readonly scope: Scope;
  /** Called with the driver's error, or undefined, before the statement settles. */
  readonly onEnd: (error: unknown) => void;
}

/** Sends, and settles as the statement does. @param text for the error */
const settled = (
  { scope, onEnd }: Target,
  text: string,
  send: (done: Done) => void,
): Promise<StatementResult> =>
  new Promise((resolve, reject) => {
    send((error, result) => {
      onEnd(error);
      if (error === undefined) resolve(result);
      else reject(typedError(error, text, scope));
    });
  });

export const connectPostgres = (url: string, options: PostgresOptions): PostgresPool => {
  const { maxConnections, minConnections = 0, log, slowStatementMs = 500, observe } = options;
  const operationOf = statementOperations();
  const driver = createDriver(url, {
    maxConnections,
    minConnections,
    connectTimeoutMs: options.connectTimeoutMs ?? 5_000,
    idleTimeoutMs: options.idleTimeoutMs ?? 60_000,
    webSocketProxy: options.webSocketProxy,
    onLoss: (error) => log.warn({ err: error }, "lost a connection to PostgreSQL"),
  });
  const pooled = pooledConnections(driver);
  const runShared = driver.pipelines ? sharedReads(driver, pooled.open) : undefined;
  const sendStatement = statementSender();
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
  const retrying = { now: Date.now, random: Math.random, onStalePlan };

  const send = (
    connection: Connection,
    scope: Scope,
    { text, values, plan }: SqlStatement,
    done: Done,
    before?: string,
  ): void => {
    const genericPlan = plan === "generic";
    sendStatement(
      connection,
      { before, text, values, timeoutMs: timeoutMs(scope), prepared, genericPlan },
      done,
    );
  };

  const runOn = async (
    target: Target,
    statement: SqlStatement,
    before?: string,
  ): Promise<readonly unknown[]> => {
    const { connection, scope } = target;
    const result = await settled(target, statement.text, (done) =>
      send(connection, scope, statement, done, before),
    );
    return result.rows;
  };

  const logSlow = ({ name: route, requestId }: Scope, text: string, durationMs: number): void => {
    if (durationMs < slowStatementMs) return;
    const statement = text.replace(/\s+/g, " ").trim().slice(0, MAX_LOGGED_LENGTH);
    log.warn({ route, requestId, durationMs: Math.round(durationMs), statement }, "slow statement");
  };

  const instrumented = (scope: Scope, text: string, work: () => Promise<readonly unknown[]>) => {
    const observeStatement: ObserveData = (operation) => {
      const ended = observe?.(operation);
      return (error, durationMs) => {
        ended?.(error, durationMs);
        logSlow(scope, text, durationMs);
      };
    };
    return observed(observeStatement, operationOf(text), work);
  };

  /**
   * Reads share connections if the driver pipelines. A write has a connection of its own: behind another statement it would
   * begin whenever that one ends, and take effect although its request was answered with 504.
   */
  const runSingle = async (scope: Scope, statement: SqlStatement): Promise<readonly unknown[]> => {
    const permit = acquirePermit();
    if (runShared === undefined || !scope.readOnly) {
      const onEnd = (error: unknown): void => settlePermit(permit, classifyStatement(error));
      return await pooled.use(scope, permit, (connection) => runOn({ connection, scope, onEnd }, statement));
    }
    try {
      return await runShared({
        scope,
        permit,
        send: (connection, done) => send(connection, scope, statement, done),
      });
    } catch (error) {
      throw typedError(error, statement.text, scope);
    }
  };

  const query = (scope: Scope, statement: SqlStatement): Promise<readonly unknown[]> => {
    rejectControl(statement.text);
    if (scope.ended !== undefined) throw new DeadlineError(`the request has ended (${scope.ended})`);
    const attempt = (): Promise<readonly unknown[]> => runSingle(scope, statement);
    return instrumented(scope, statement.text, () => withRetries(scope, attempt, retrying));
  };

  /** Commands are never prepared: an unknown name would keep a transaction from beginning, or from ending. */
  const runCommand = async (target: Target, text: string, before?: string): Promise<string> => {
    const result = await settled(target, text, (done) =>
      sendStatement(target.connection, { before, text, values: [], prepared: false }, done),
    );
    return result.command;
  };

  /** A failure settles the permit at once, a success only when the transaction has ended. */
  const wireOf = (connection: Connection, scope: Scope, permit: Permit): TransactionWire => {
    const target: Target = {
      connection,
      scope,
      onEnd: (error) => {
        if (classifyStatement(error) === "failure") permit.fail();
      },
    };
    const lastTarget: Target = {
      connection,
      scope,
      onEnd: (error) => {
        connection.isInTransaction = error !== undefined;
        settlePermit(permit, classifyStatement(error));
      },
    };
    return {
      run: async (statement, before) => {
        rejectControl(statement.text);
        connection.isInTransaction = true;
        return await instrumented(scope, statement.text, () => runOn(target, statement, before));
      },
      command: (text, before) => {
        connection.isInTransaction = true;
        return runCommand(target, text, before);
      },
      end: (text) => observed(observe, operationOf(text), () => runCommand(lastTarget, text)),
      script: async (text) => {
        await settled(target, text, (done) => connection.send((wire) => wire.query(text), done));
      },
    };
  };

  const transaction = <T>(
    scope: Scope,
    work: (transaction: Transaction) => Promise<T>,
    transactionOptions: TransactionOptions = {},
  ): Promise<T> => {
    const attempt = (): Promise<T> => {
      const permit = acquirePermit();
      return pooled.use(scope, permit, (connection) => {
        const wire = wireOf(connection, scope, permit);
        return runTransaction(
          transactionConnection(wire, beginCommand(scope, transactionOptions)),
          scope,
          work,
        );
      });
    };
    return withRetries(scope, attempt, retrying);
  };

  const within = (scope: Scope): Database => ({
    query: async <Row extends object>(
      text: string,
      values: readonly SqlValue[] = [],
      { plan }: QueryOptions = {},
    ) => asRows<Row>(await query(scope, { text, values, plan })),
    transaction: (work, transactionOptions) => transaction(scope, work, transactionOptions),
  });

  /** The copy fixes the deadline at the beginning. */
  const maintenance = (): Database => within({ ...timedScope("maintenance", MAINTENANCE_TIMEOUT_MS) });
  let closing: Promise<void> | undefined;

  return {
    driver: driver.name,
    within,
    query: (text, values, queryOptions) => maintenance().query(text, values, queryOptions),
    transaction: (work, transactionOptions) => maintenance().transaction(work, transactionOptions),
    usage: () => {
      const { totalCount: total, idleCount: idle, waitingCount: waiting } = driver.counts;
      return { total, idle, waiting };
    },
    warmUp: async () => {
      if (driver.counts.totalCount >= minConnections) return;
      const opened = await Promise.all(Array.from({ length: minConnections }, () => pooled.open()));
      for (const connection of opened) connection.release();
    },
    close: () => {
      closing ??= driver.end();
      return closing;
    },
  };
};
