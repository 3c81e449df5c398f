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
  /**
   * Sends at once, behind what has been sent before.
   *
   * @param before a command that goes ahead of it; where that fails, the statement does not run
   */
  run(statement: SqlStatement, before?: string): Promise<readonly unknown[]>;
  /** The same without a deadline; resolves with the command's tag, such as COMMIT. */
  command(text: string, before?: string): Promise<string>;
  /** The last command: the transaction is over with its answer, which is the command's tag. */
  end(text: "COMMIT" | "ROLLBACK"): Promise<string>;
  script(text: string): Promise<void>;
}

export interface TransactionConnection extends Pick<TransactionWire, "run" | "script"> {
  /** For a command that nobody has to wait for: it fails where what follows it fails. */
  send(text: string): void;
  /** Undoes what has failed within a savepoint. */
  undo(savepoint: string): void;
  /** Ends the transaction, after which nothing is sent; resolves with the command's tag. */
  end(command: "COMMIT" | "ROLLBACK"): Promise<string>;
  /** The first failure that has not been undone, whether somebody looked at it or not. */
  readonly failure: Error | undefined;
}

/**
 * The first statement carries BEGIN, and those behind it wait for its answer: without a transaction each of
 * them would count by itself.
 */
export const transactionConnection = (wire: TransactionWire, begin: string): TransactionConnection => {
  let begun: Promise<unknown> | undefined;
  let isOver = false;
  let failure: Error | undefined;

  const behind = <T>(send: (before?: string) => Promise<T>): Promise<T> => {
    if (isOver) return Promise.reject(new Error("the transaction is over"));
    if (begun !== undefined) {
      return begun.then(() => {
        if (isOver) throw new Error("the transaction is over");
        return send();
      });
    }
    const first = send(begin);
    begun = first;
    return first;
  };
  const watched = <T>(promise: Promise<T>): Promise<T> => {
    promise.catch((error: Error) => {
      failure ??= error;
    });
    return promise;
  };
  const command = (text: string): Promise<string> => behind((before) => wire.command(text, before));

  return {
    run: (statement) => watched(behind((before) => wire.run(statement, before))),
    script: (text) =>
      watched(
        behind(async (before) => {
          if (before !== undefined) await wire.command(before);
          await wire.script(text);
        }),
      ),
    send: (text) => void watched(command(text)),
    undo: (savepoint) =>
      void watched(
        command(`ROLLBACK TO SAVEPOINT ${savepoint}`).then(() => {
          failure = undefined;
        }),
      ),
    end: async (text) => {
      if (begun === undefined) {
        isOver = true;
        return text;
      }
      // What was sent and not waited for is sent before it.
      if (text === "COMMIT") await begun;
      else await begun.catch(() => undefined);
      isOver = true;
      return await wire.end(text);
    },
    get failure() {
      return failure;
    },
  };
};

/** What the transaction begins with. */
export const beginning = (scope: Scope, { isolation }: TransactionOptions): string =>
  [
    "BEGIN",
    isolation === undefined ? "" : `ISOLATION LEVEL ${isolation.toUpperCase()}`,
    scope.readOnly ? "READ ONLY" : "",
  ]
    .filter((part) => part !== "")
    .join(" ");

const savepoint = async <T>(
  connection: TransactionConnection,
  depth: number,
  work: (transaction: Transaction) => Promise<T>,
): Promise<T> => {
  const name = `level_${depth}`;
  // Neither is awaited: each goes out with what follows it, which fails where it fails.
  connection.send(`SAVEPOINT ${name}`);
  try {
    const result = await work(overConnection(connection, depth + 1));
    connection.send(`RELEASE SAVEPOINT ${name}`);
    return result;
  } catch (error) {
    connection.undo(name);
    throw error;
  }
};

const overConnection = (connection: TransactionConnection, depth: number): Transaction => {
  /** Savepoints nest; those that are begun side by side run one after another. */
  let earlier: Promise<unknown> | undefined;
  return {
    query: async <Row extends object>(
      text: string,
      values: readonly SqlValue[] = [],
      { plan }: QueryOptions = {},
    ) => asRows<Row>(await connection.run({ text, values, plan })),
    script: (text) => connection.script(text),
    transaction: (work) => {
      const begin = () => savepoint(connection, depth, work);
      const running = earlier === undefined ? begin() : earlier.then(begin, begin);
      earlier = running;
      return running;
    },
  };
};

/** What a transaction of which a statement has failed answers to COMMIT. */
const ROLLED_BACK = "ROLLBACK";

/**
 * Runs the work between BEGIN and COMMIT, and settles when the server has ended the transaction.
 *
 * @throws what the work throws, after ROLLBACK; the failure of a statement that the work has passed over
 */
export const runTransaction = async <T>(
  connection: TransactionConnection,
  scope: Scope,
  work: (transaction: Transaction) => Promise<T>,
): Promise<T> => {
  const ended = Promise.withResolvers<never>();
  ended.promise.catch(() => undefined);
  const takeBack = scope.onEnd((reason: EndReason) =>
    ended.reject(new DeadlineError(`the request has ended (${reason}) within a transaction`)),
  );
  try {
    // Its end is looked at last, so that nothing is committed after it.
    const result = await Promise.race([work(overConnection(connection, 1)), ended.promise]);
    if (scope.ended !== undefined) await ended.promise;
    if ((await connection.end("COMMIT")) === ROLLED_BACK) {
      throw connection.failure ?? new Error("the transaction was rolled back");
    }
    return result;
  } catch (error) {
    // Where it fails the connection is not idle, and ended by whoever has lent it.
    await connection.end("ROLLBACK").catch(() => undefined);
    throw error;
  } finally {
    takeBack();
  }
};
