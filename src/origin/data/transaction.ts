/** Transactions on a connection of one's own; inside one another they are savepoints. */
import {
  asRows,
  type EndReason,
  type Scope,
  type SqlValue,
  type Transaction,
  type TransactionOptions,
} from "./database.ts";
import { DeadlineError } from "./failure.ts";

/** How a transaction's statements reach its connection. */
export interface TransactionConnection {
  /** Sends at once, behind what has been sent before. */
  query(text: string, values: readonly SqlValue[]): Promise<readonly unknown[]>;
  /** The same for a command without a result or a deadline. */
  send(text: string): void;
  /** Resolves with the command's tag, such as COMMIT, when all that was sent before has been answered. */
  finish(text: "COMMIT" | "ROLLBACK"): Promise<string>;
  /** The first failure of a statement, whether somebody looked at it or not. */
  readonly failure: Error | undefined;
  script(text: string): Promise<void>;
}

const begin = (scope: Scope, { isolation }: TransactionOptions): string =>
  [
    "BEGIN",
    isolation === undefined ? "" : `ISOLATION LEVEL ${isolation.toUpperCase()}`,
    scope.readOnly ? "READ ONLY" : "",
  ]
    .filter((part) => part !== "")
    .join(" ");

const overConnection = (connection: TransactionConnection, depth: number): Transaction => ({
  query: async <Row extends object>(text: string, values: readonly SqlValue[] = []) =>
    asRows<Row>(await connection.query(text, values)),
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
    if ((await connection.finish("COMMIT")) === ROLLED_BACK) {
      throw connection.failure ?? new Error("the transaction was rolled back");
    }
    return result;
  } catch (error) {
    // Where the request has ended the connection ends too, and the transaction with it.
    if (scope.ended === undefined) await connection.finish("ROLLBACK").catch(() => undefined);
    throw error;
  } finally {
    takeBack();
  }
};
