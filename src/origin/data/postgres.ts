/**
 * PostgreSQL, by the driver that the URL asks for. Statements keep to their request's deadline, on the server
 * too; connections may be lost at any time without harm; nothing depends on a session.
 */
import type { Breaker, Permit } from "../../resilience/circuit-breaker/circuit-breaker.ts";
import type { OriginLog } from "../log/log.ts";
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
import { createDriver, type Driver, type DriverClient } from "./driver.ts";
import { createExclusiveConnections } from "./exclusive-connections.ts";
import { DeadlineError, failureOf, StatementError } from "./failure.ts";
import { createGather } from "./gather.ts";
import { asking, judgeStatement, tell } from "./judge.ts";
import { type ObserveData, observed } from "./observe.ts";
import { withRetries } from "./retries.ts";
import { createSharedConnections, type Send } from "./shared-connections.ts";
import { createScript, statementFactory } from "./statement.ts";
import { statementOperations } from "./statement-operation.ts";
import { beginning, runTransaction, type TransactionWire, transactionConnection } from "./transaction.ts";

export interface PostgresPool extends Database {
  readonly driver: Driver["name"];
  /** The database as one request sees it. */
  within(scope: Scope): Database;
  /** Connections: all, those without work, and how many callers wait for one. */
  usage(): { readonly total: number; readonly idle: number; readonly waiting: number };
  /** Opens as many connections as are to be there at least. */
  warmUp(): Promise<void>;
  close(): Promise<void>;
}

export interface PostgresOptions {
  readonly maxConnections: number;
  readonly log: OriginLog;
  /** @default 0 */
  readonly minConnections?: number;
  /** Waiting for a connection, and for one to be made, milliseconds. @default 5,000 */
  readonly connectTimeoutMs?: number;
  /** @default 60,000 */
  readonly idleTimeoutMs?: number;
  /** A statement that takes longer is logged, milliseconds. @default 500 */
  readonly slowStatementMs?: number;
  /** Whether connections keep statements prepared. @default true, until a pooler shows that it does not keep them */
  readonly preparedStatements?: boolean;
  /** For Neon's driver alone, see `driver.ts`. */
  readonly webSocketProxy?: string;
  /** While it is open every statement is refused at once. @default none: everything is tried */
  readonly breaker?: Breaker;
  /** Told of each statement, and of each end of a transaction. @default nobody is */
  readonly observe?: ObserveData | undefined;
}

/** What no request waits for has so long, milliseconds. */
const MAINTENANCE_TIMEOUT_MS = 15_000;
/** More of a statement's text is not logged. */
const MAX_LOGGED_LENGTH = 500;
/** So often an unknown prepared statement may be an accident; then the connections do not keep them. */
const MAX_ACCIDENTS = 3;

/**
 * Belongs to `transaction`: on a connection shared with others it would gather their statements too. What may
 * stand before it are spaces, comments and empty statements.
 */
const CONTROL =
  /^(?:\s|;|--[^\n]*(?:\n|$)|\/\*[\s\S]*?\*\/)*(begin|start\s+transaction|commit|end|rollback|abort|savepoint|release|prepare\s+transaction)\b/i;

/** The part of all connections that reads share at most; what is left is for writes and transactions. */
const READS_SHARE = 0.4;
/** Reads are spread over so many before they wait behind one another. */
const FEW_READS = 4;

const sharedReads = (driver: Driver, maxConnections: number, open: () => Promise<DriverClient>) => {
  const most = Math.max(1, Math.floor(maxConnections * READS_SHARE));
  return createSharedConnections(driver, { few: Math.min(FEW_READS, most), most, open });
};

const refuseControl = (text: string): void => {
  if (CONTROL.test(text)) throw new TypeError("transactions are begun and ended by transaction()");
};

/** Where a statement goes, and who is told how it ended. */
interface Line {
  readonly client: DriverClient;
  readonly scope: Scope;
  /** Told what the driver's callback is told, before anybody else; undefined where the statement was done. */
  readonly onEnd: (error: unknown) => void;
}

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
  const exclusive = createExclusiveConnections(driver);
  const reads = driver.pipelines ? sharedReads(driver, maxConnections, exclusive.open) : undefined;
  const createStatement = statementFactory(createGather());
  const askBreaker = asking(options.breaker);
  let prepared = options.preparedStatements ?? true;
  let accidents = 0;

  const onStalePlan = (error: unknown): void => {
    const isUnknown = error instanceof StatementError && error.code !== "0A000";
    if (!isUnknown || !prepared) return;
    accidents += 1;
    if (accidents < MAX_ACCIDENTS) return;
    prepared = false;
    log.warn("connections do not keep prepared statements (a pooler?): going on without them");
  };
  const retrying = { now: Date.now, random: Math.random, onStalePlan };

  /** What is left of the deadline, whole milliseconds; 0 would be no limit. */
  const timeoutMs = ({ deadlineAtMs }: Scope): number | undefined =>
    deadlineAtMs === Number.POSITIVE_INFINITY ? undefined : Math.max(1, Math.ceil(deadlineAtMs - Date.now()));

  const sendOf =
    (scope: Scope, { text, values, plan }: SqlStatement, before?: string): Send =>
    (callback) => {
      const genericPlan = plan === "generic";
      const options = { before, text, values, timeoutMs: timeoutMs(scope), prepared, genericPlan };
      return createStatement(options, callback);
    };

  const runOn = (
    { client, scope, onEnd }: Line,
    statement: SqlStatement,
    before?: string,
  ): Promise<readonly unknown[]> =>
    new Promise((resolve, reject) => {
      const done = (error: unknown, rows: readonly unknown[]): void => {
        onEnd(error);
        if (error === undefined) resolve(rows);
        else reject(failureOf(error, statement.text, scope));
      };
      client.query(sendOf(scope, statement, before)(done));
    });

  const tellSlow = (scope: Scope, text: string, durationMs: number): void => {
    if (durationMs < slowStatementMs) return;
    const { name: route, requestId } = scope;
    const statement = text.replace(/\s+/g, " ").trim().slice(0, MAX_LOGGED_LENGTH);
    log.warn({ route, requestId, durationMs: Math.round(durationMs), statement }, "slow statement");
  };

  /** Tells of a statement, whichever way it ended. */
  const told = (scope: Scope, text: string, work: () => Promise<readonly unknown[]>) => {
    const observing: ObserveData = (operation) => {
      const ended = observe?.(operation);
      return (error, durationMs) => {
        ended?.(error, durationMs);
        tellSlow(scope, text, durationMs);
      };
    };
    return observed(observing, operationOf(text), work);
  };

  /**
   * Reads share connections where the driver lets them. A write has one of its own: behind another statement on
   * the wire it would begin when that one ends, however late, and be done although its request was answered 504.
   */
  const runSingle = async (scope: Scope, statement: SqlStatement): Promise<readonly unknown[]> => {
    const permit = askBreaker();
    if (reads === undefined || !scope.readOnly) {
      const onEnd = (error: unknown): void => tell(permit, judgeStatement(error));
      return await exclusive.lend(scope, permit, (client) => runOn({ client, scope, onEnd }, statement));
    }
    try {
      return await reads.run({ scope, permit, send: sendOf(scope, statement) });
    } catch (error) {
      throw failureOf(error, statement.text, scope);
    }
  };

  const query = (scope: Scope, statement: SqlStatement): Promise<readonly unknown[]> => {
    refuseControl(statement.text);
    if (scope.ended !== undefined) throw new DeadlineError(`the request has ended (${scope.ended})`);
    const attempt = (): Promise<readonly unknown[]> => runSingle(scope, statement);
    return told(scope, statement.text, () => withRetries(scope, attempt, retrying));
  };

  const runCommand = ({ client, scope, onEnd }: Line, text: string, before?: string): Promise<string> =>
    new Promise((resolve, reject) => {
      // Never prepared: where a name were unknown, a transaction would not begin, or not end.
      const statement = createStatement({ before, text, values: [], prepared: false }, (error, _, tag) => {
        onEnd(error);
        if (error === undefined) resolve(tag);
        else reject(failureOf(error, text, scope));
      });
      client.query(statement);
    });

  /** A failure is told at once, that the server is well when it has ended the transaction. */
  const wireOf = (client: DriverClient, scope: Scope, permit: Permit): TransactionWire => {
    const onFailure = (error: unknown): void => {
      if (judgeStatement(error) === "failure") permit.fail();
    };
    const line: Line = { client, scope, onEnd: onFailure };
    const lastLine: Line = { client, scope, onEnd: (error) => tell(permit, judgeStatement(error)) };
    return {
      run: async (statement, before) => {
        refuseControl(statement.text);
        return await told(scope, statement.text, () => runOn(line, statement, before));
      },
      command: (text, before) => runCommand(line, text, before),
      end: (text) => observed(observe, operationOf(text), () => runCommand(lastLine, text)),
      script: (text) =>
        new Promise((resolve, reject) => {
          const done = (error: unknown): void => {
            onFailure(error ?? undefined);
            if (error) reject(failureOf(error, text, scope));
            else resolve();
          };
          client.query(createScript(text, done));
        }),
    };
  };

  const transaction = <T>(
    scope: Scope,
    work: (transaction: Transaction) => Promise<T>,
    transactionOptions: TransactionOptions = {},
  ): Promise<T> => {
    const attempt = (): Promise<T> => {
      const permit = askBreaker();
      return exclusive.lend(scope, permit, (client) => {
        const wire = wireOf(client, scope, permit);
        const connection = transactionConnection(wire, beginning(scope, transactionOptions));
        return runTransaction(connection, scope, work);
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

  /** Its deadline is fixed when it begins. */
  const maintenance = (): Database => within({ ...timedScope("maintenance", MAINTENANCE_TIMEOUT_MS) });
  let closing: Promise<void> | undefined;

  return {
    driver: driver.name,
    within,
    query: (text, values, queryOptions) => maintenance().query(text, values, queryOptions),
    transaction: (work, transactionOptions) => maintenance().transaction(work, transactionOptions),
    usage: () => {
      const { totalCount: total, idleCount: idle, waitingCount: waiting } = driver.pool;
      return { total, idle, waiting };
    },
    warmUp: async () => {
      if (driver.pool.totalCount >= minConnections) return;
      const clients = await Promise.all(Array.from({ length: minConnections }, () => exclusive.open()));
      for (const client of clients) client.release(false);
    },
    close: () => {
      closing ??= driver.pool.end();
      return closing;
    },
  };
};
