/**
 * PostgreSQL, by the driver that the URL asks for. Statements keep to their request's deadline, on the server
 * too; connections may be lost at any time without harm; nothing depends on a session.
 */
import type { OriginLog } from "../log.ts";
import {
  asRows,
  type Database,
  type Scope,
  type SqlValue,
  type Transaction,
  type TransactionOptions,
  timedScope,
} from "./database.ts";
import { createDriver, type Driver, type DriverClient } from "./driver.ts";
import { createExclusiveConnections } from "./exclusive-connections.ts";
import { DeadlineError, failureOf, StatementError } from "./failure.ts";
import { withRetries } from "./retries.ts";
import { createSharedConnections, type Send } from "./shared-connections.ts";
import { createScript, createStatement, createStatementNames, type PreparedOn } from "./statement.ts";
import { runTransaction, type TransactionConnection } from "./transaction.ts";

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
}

/** What no request waits for has so long, milliseconds. */
const MAINTENANCE_TIMEOUT_MS = 15_000;
/** More of a statement's text is not logged. */
const MAX_LOGGED_LENGTH = 500;
/** So often an unknown prepared statement may be an accident; then the connections do not keep them. */
const MAX_ACCIDENTS = 3;

/** Belongs to `transaction`: on a connection shared with others it would gather their statements too. */
const CONTROL =
  /^\s*(begin|start\s+transaction|commit|end|rollback|abort|savepoint|release|prepare\s+transaction)\b/i;

export const connectPostgres = (url: string, options: PostgresOptions): PostgresPool => {
  const { maxConnections, minConnections = 0, log, slowStatementMs = 500 } = options;
  const driver = createDriver(url, {
    maxConnections,
    minConnections,
    connectTimeoutMs: options.connectTimeoutMs ?? 5_000,
    idleTimeoutMs: options.idleTimeoutMs ?? 60_000,
    webSocketProxy: options.webSocketProxy,
    onLoss: (error) => log.warn({ err: error }, "lost a connection to PostgreSQL"),
  });
  const exclusive = createExclusiveConnections(driver);
  const shared = driver.pipelines
    ? createSharedConnections(driver, { maxConnections, open: exclusive.open })
    : undefined;
  const names = createStatementNames();
  const preparedOn: PreparedOn = new WeakSet();
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
    (scope: Scope, text: string, values: readonly SqlValue[]): Send =>
    (callback) =>
      createStatement({ text, values, timeoutMs: timeoutMs(scope), prepared }, names, preparedOn, callback);

  const runOn = (
    client: DriverClient,
    scope: Scope,
    text: string,
    values: readonly SqlValue[],
  ): Promise<readonly unknown[]> =>
    new Promise((resolve, reject) => {
      const send = sendOf(scope, text, values);
      client.query(
        send((error, rows) => (error === undefined ? resolve(rows) : reject(failureOf(error, text, scope)))),
      );
    });

  /** Tells of a statement that took long, whichever way it ended. */
  const timed = async <T>(scope: Scope, text: string, work: () => Promise<T>): Promise<T> => {
    const beganAtMs = performance.now();
    try {
      return await work();
    } finally {
      const durationMs = Math.round(performance.now() - beganAtMs);
      if (durationMs >= slowStatementMs) {
        const statement = text.replace(/\s+/g, " ").trim().slice(0, MAX_LOGGED_LENGTH);
        log.warn({ route: scope.name, durationMs, statement }, "slow statement");
      }
    }
  };

  const readInCommon = async (scope: Scope, text: string, values: readonly SqlValue[]) => {
    if (shared === undefined)
      return await exclusive.lend(scope, (client) => runOn(client, scope, text, values));
    try {
      return await shared.read(scope, sendOf(scope, text, values));
    } catch (error) {
      throw failureOf(error, text, scope);
    }
  };

  const query = (scope: Scope, text: string, values: readonly SqlValue[]): Promise<readonly unknown[]> => {
    if (CONTROL.test(text)) throw new TypeError("transactions are begun and ended by transaction()");
    if (scope.ended !== undefined) throw new DeadlineError(`the request has ended (${scope.ended})`);
    const attempt = (): Promise<readonly unknown[]> =>
      scope.readOnly
        ? readInCommon(scope, text, values)
        : exclusive.lend(scope, (client) => runOn(client, scope, text, values));
    return timed(scope, text, () => withRetries(scope, attempt, retrying));
  };

  const connectionOf = (client: DriverClient, scope: Scope): TransactionConnection => {
    let failure: Error | undefined;
    const command = (text: string): Promise<string> =>
      new Promise((resolve, reject) => {
        const statement = createStatement(
          { text, values: [], prepared },
          names,
          preparedOn,
          (error, _, tag) => {
            if (error === undefined) return resolve(tag);
            reject(failureOf(error, text, scope));
          },
        );
        client.query(statement);
      });
    const watched = <T>(promise: Promise<T>): Promise<T> => {
      promise.catch((error: Error) => {
        failure ??= error;
      });
      return promise;
    };
    return {
      query: (text, values) => {
        if (CONTROL.test(text)) throw new TypeError("transactions are begun and ended by transaction()");
        return watched(timed(scope, text, () => runOn(client, scope, text, values)));
      },
      send: (text) => void watched(command(text)),
      finish: command,
      get failure() {
        return failure;
      },
      script: (text) =>
        watched(
          new Promise((resolve, reject) => {
            const done = (error: unknown): void =>
              error ? reject(failureOf(error, text, scope)) : resolve();
            client.query(createScript(text, done));
          }),
        ),
    };
  };

  const transaction = <T>(
    scope: Scope,
    work: (transaction: Transaction) => Promise<T>,
    transactionOptions: TransactionOptions = {},
  ): Promise<T> => {
    const attempt = (): Promise<T> =>
      exclusive.lend(scope, (client) =>
        runTransaction(connectionOf(client, scope), scope, work, transactionOptions),
      );
    return withRetries(scope, attempt, retrying);
  };

  const within = (scope: Scope): Database => ({
    query: async <Row extends object>(text: string, values: readonly SqlValue[] = []) =>
      asRows<Row>(await query(scope, text, values)),
    transaction: (work, transactionOptions) => transaction(scope, work, transactionOptions),
  });

  return {
    driver: driver.name,
    within,
    ...within(timedScope("maintenance", MAINTENANCE_TIMEOUT_MS)),
    usage: () => {
      const { totalCount: total, idleCount: idle, waitingCount: waiting } = driver.pool;
      return { total, idle, waiting };
    },
    warmUp: async () => {
      const clients = await Promise.all(Array.from({ length: minConnections }, () => exclusive.open()));
      for (const client of clients) client.release(false);
    },
    close: () => driver.pool.end(),
  };
};
