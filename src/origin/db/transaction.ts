/** Transactions. A nested transaction is a savepoint. */
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
import { DeadlineError } from "./errors.ts";

/** Sends to the transaction's connection. */
export interface TransactionWire {
  /**
   * Sends at once, behind everything sent before.
   *
   * @param before a command to run first; if it fails, the statement does not run
   */
  run(statement: SqlStatement, before?: string): Promise<readonly unknown[]>;
  /** The same without a deadline. @returns the command's tag, such as COMMIT */
  command(text: string, before?: string): Promise<string>;
  /** Sends the last command. @returns its tag */
  end(text: "COMMIT" | "ROLLBACK"): Promise<string>;
  script(text: string): Promise<void>;
}

export interface TransactionConnection extends Pick<TransactionWire, "run" | "script"> {
  /** Sends a command without waiting: if it fails, what follows fails too. */
  send(text: string): void;
  /** Rolls back to a savepoint. */
  undo(savepoint: string): void;
  /** Ends the transaction; nothing is sent afterwards. @returns the command's tag */
  end(command: "COMMIT" | "ROLLBACK"): Promise<string>;
  /** The first failure that was not rolled back, whether or not the work handled it. */
  readonly failure: Error | undefined;
}

/**
 * BEGIN is sent with the first statement; later ones wait for its result, because without a transaction each would commit by
 * itself.
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
  const tracked = <T>(promise: Promise<T>): Promise<T> => {
    promise.catch((error: Error) => {
      failure ??= error;
    });
    return promise;
  };
  const command = (text: string): Promise<string> => behind((before) => wire.command(text, before));

  return {
    run: (statement) => tracked(behind((before) => wire.run(statement, before))),
    script: (text) =>
      tracked(
        behind(async (before) => {
          if (before !== undefined) await wire.command(before);
          await wire.script(text);
        }),
      ),
    send: (text) => void tracked(command(text)),
    undo: (savepoint) =>
      void tracked(
        command(`ROLLBACK TO SAVEPOINT ${savepoint}`).then(() => {
          failure = undefined;
        }),
      ),
    end: async (text) => {
      if (begun === undefined) {
        isOver = true;
        return text;
      }
      // Statements that were not awaited are sent first.
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

/** The BEGIN command. */
export const beginCommand = (scope: Scope, { isolation }: TransactionOptions): string =>
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
  // Not awaited: each is sent with the statement that follows, which fails if it fails.
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
  /** Concurrent savepoints of one level run one after another. */
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

/** The tag of COMMIT if a statement of the transaction has failed. */
const ROLLED_BACK = "ROLLBACK";

/**
 * Runs the work between BEGIN and COMMIT, and settles when the server has ended the transaction.
 *
 * @throws what the work throws, after ROLLBACK; the failure of a statement that the work ignored
 */
export const runTransaction = async <T>(
  connection: TransactionConnection,
  scope: Scope,
  work: (transaction: Transaction) => Promise<T>,
): Promise<T> => {
  const ended = Promise.withResolvers<never>();
  ended.promise.catch(() => undefined);
  const stopWatching = scope.onEnd((reason: EndReason) =>
    ended.reject(new DeadlineError(`the request has ended (${reason}) within a transaction`)),
  );
  try {
    // Checked last, so that nothing commits after the request has ended.
    const result = await Promise.race([work(overConnection(connection, 1)), ended.promise]);
    if (scope.ended !== undefined) await ended.promise;
    if ((await connection.end("COMMIT")) === ROLLED_BACK) {
      throw connection.failure ?? new Error("the transaction was rolled back");
    }
    return result;
  } catch (error) {
    // If this fails the connection stays marked as in a transaction, and is closed on release.
    await connection.end("ROLLBACK").catch(() => undefined);
    throw error;
  } finally {
    stopWatching();
  }
};
