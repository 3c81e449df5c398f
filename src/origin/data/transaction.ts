/** Transactions on a connection of one's own; inside one another they are savepoints. */
import {
  asRows,
  type EndReason,
  type QueryOptions,
  type Scope,
  type SqlStatement,
  type SqlValue,
  type Transaction,
  type TransactionOptions,
} from "./database.ts";
import { DeadlineError } from "./failure.ts";

/** How statements reach the transaction's connection. */
export interface TransactionWire {
  /** Sends at once, behind what has been sent before. */
  run(statement: SqlStatement): Promise<readonly unknown[]>;
  /** The same without a deadline; resolves with the command's tag, such as COMMIT. */
  command(text: string): Promise<string>;
  script(text: string): Promise<void>;
}

export interface TransactionConnection extends TransactionWire {
  /** For a command that nobody has to wait for: it fails where what follows it fails. */
  send(text: string): void;
  /** The first failure, whether somebody looked at it or not. */
  readonly failure: Error | undefined;
}

export const transactionConnection = (wire: TransactionWire): TransactionConnection => {
  let failure: Error | undefined;
  const watched = <T>(promise: Promise<T>): Promise<T> => {
    promise.catch((error: Error) => {
      failure ??= error;
    });
    return promise;
  };
  return {
    run: (statement) => watched(wire.run(statement)),
    command: (text) => watched(wire.command(text)),
    script: (text) => watched(wire.script(text)),
    send: (text) => void watched(wire.command(text)),
    get failure() {
      return failure;
    },
  };
};

const begin = (scope: Scope, { isolation }: TransactionOptions): string =>
  [
    "BEGIN",
    isolation === undefined ? "" : `ISOLATION LEVEL ${isolation.toUpperCase()}`,
    scope.readOnly ? "READ ONLY" : "",
  ]
    .filter((part) => part !== "")
    .join(" ");

const overConnection = (connection: TransactionConnection, depth: number): Transaction => ({
  query: async <Row extends object>(
    text: string,
    values: readonly SqlValue[] = [],
    { plan }: QueryOptions = {},
  ) => asRows<Row>(await connection.run({ text, values, plan })),
  script: (text) => connection.script(text),
  transaction: async (work) => {
    const name = `level_${depth}`;
    // Neither is awaited: each goes out with what follows it, which fails where it fails.
    connection.send(`SAVEPOINT ${name}`);
    try {
      const result = await work(overConnection(connection, depth + 1));
      connection.send(`RELEASE SAVEPOINT ${name}`);
      return result;
    } catch (error) {
      connection.send(`ROLLBACK TO SAVEPOINT ${name}`);
      throw error;
    }
  },
});

/** What a transaction of which a statement has failed answers to COMMIT. */
const ROLLED_BACK = "ROLLBACK";

/**
 * Runs the work between BEGIN and COMMIT.
 *
 * @throws what the work throws, after ROLLBACK; the failure of a statement that the work has passed over
 */
export const runTransaction = async <T>(
  connection: TransactionConnection,
  scope: Scope,
  work: (transaction: Transaction) => Promise<T>,
  options: TransactionOptions,
): Promise<T> => {
  connection.send(begin(scope, options));
  const ended = Promise.withResolvers<never>();
  ended.promise.catch(() => undefined);
  const takeBack = scope.onEnd((reason: EndReason) =>
    ended.reject(new DeadlineError(`the request has ended (${reason}) within a transaction`)),
  );
  try {
    const result = await Promise.race([work(overConnection(connection, 1)), ended.promise]);
    if ((await connection.command("COMMIT")) === ROLLED_BACK) {
      throw connection.failure ?? new Error("the transaction was rolled back");
    }
    return result;
  } catch (error) {
    // Where the request has ended the connection ends too, and the transaction with it.
    if (scope.ended === undefined) await connection.command("ROLLBACK").catch(() => undefined);
    throw error;
  } finally {
    takeBack();
  }
};
