/** Transactions. A nested transaction is a savepoint. */
import {
  queryBy,
  type Scope,
  type SqlStatement,
  type Transaction,
  type TransactionOptions,
} from "./database.ts";
import { DeadlineError } from "./errors.ts";

/** Sends to the transaction's connection, at once, behind everything sent before. */
export interface TransactionWire {
  /** @param before a command to run first; if it fails, the statement does not run */
  run(statement: SqlStatement, before?: string): Promise<readonly unknown[]>;
  /** Runs without a deadline. @returns the command's tag, such as COMMIT */
  command(text: string, before?: string): Promise<string>;
  /** Sends the last command. @returns its tag */
  end(text: "COMMIT" | "ROLLBACK"): Promise<string>;
  script(text: string): Promise<void>;
}

const beginCommand = ({ readOnly }: Scope, { isolation }: TransactionOptions): string => {
  const level = isolation === undefined ? "" : ` ISOLATION LEVEL ${isolation.toUpperCase()}`;
  return `BEGIN${level}${readOnly ? " READ ONLY" : ""}`;
};

/**
 * BEGIN is sent with the first statement; later ones wait for its result, because without a transaction each would commit by
 * itself.
 */
class OpenTransaction {
  /** The first failure that was not rolled back, whether or not the work handled it. */
  failure: Error | undefined;
  readonly #wire: TransactionWire;
  readonly #begin: string;
  #begun: Promise<unknown> | undefined;
  #isOver = false;

  constructor(wire: TransactionWire, begin: string) {
    this.#wire = wire;
    this.#begin = begin;
  }

  send<T>(send: (wire: TransactionWire, before?: string) => Promise<T>): Promise<T> {
    const sendLater = (): Promise<T> => {
      if (this.#isOver) throw new Error("the transaction is over");
      return send(this.#wire);
    };
    let sent: Promise<T>;
    if (this.#begun !== undefined) sent = this.#begun.then(sendLater);
    else if (this.#isOver) sent = Promise.reject(new Error("the transaction is over"));
    else {
      sent = send(this.#wire, this.#begin);
      this.#begun = sent;
    }
    sent.catch((error: Error) => {
      this.failure ??= error;
    });
    return sent;
  }

  command(text: string): Promise<string> {
    return this.send((wire, before) => wire.command(text, before));
  }

  rollBackTo(savepoint: string): void {
    this.command(`ROLLBACK TO SAVEPOINT ${savepoint}`).then(
      () => {
        this.failure = undefined;
      },
      () => undefined,
    );
  }

  /** Nothing is sent afterwards. @returns the command's tag */
  async end(text: "COMMIT" | "ROLLBACK"): Promise<string> {
    // Statements that were not awaited are sent first.
    if (text === "COMMIT") await this.#begun;
    else await this.#begun?.catch(() => undefined);
    this.#isOver = true;
    return this.#begun === undefined ? text : await this.#wire.end(text);
  }
}

const runSavepoint = async <T>(
  open: OpenTransaction,
  depth: number,
  work: (transaction: Transaction) => Promise<T>,
): Promise<T> => {
  const name = `level_${depth}`;
  // Not awaited: each is sent with the statement that follows, which fails if it fails.
  void open.command(`SAVEPOINT ${name}`);
  try {
    const result = await work(transactionOver(open, depth + 1));
    void open.command(`RELEASE SAVEPOINT ${name}`);
    return result;
  } catch (error) {
    open.rollBackTo(name);
    throw error;
  }
};

const transactionOver = (open: OpenTransaction, depth: number): Transaction => {
  /** Concurrent savepoints of one level run one after another. */
  let earlier: Promise<unknown> | undefined;
  return {
    query: queryBy((statement) => open.send((wire, before) => wire.run(statement, before))),
    script: (text) =>
      open.send(async (wire, before) => {
        if (before !== undefined) await wire.command(before);
        await wire.script(text);
      }),
    transaction: (work) => {
      const begin = () => runSavepoint(open, depth, work);
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
  wire: TransactionWire,
  scope: Scope,
  options: TransactionOptions,
  work: (transaction: Transaction) => Promise<T>,
): Promise<T> => {
  const open = new OpenTransaction(wire, beginCommand(scope, options));
  const ended = Promise.withResolvers<never>();
  ended.promise.catch(() => undefined);
  const stopWatching = scope.onEnd((reason) =>
    ended.reject(new DeadlineError(`the request has ended (${reason}) within a transaction`)),
  );
  try {
    const result = await Promise.race([work(transactionOver(open, 1)), ended.promise]);
    // Checked last, so that nothing commits after the request has ended.
    if (scope.ended !== undefined) await ended.promise;
    if ((await open.end("COMMIT")) === ROLLED_BACK) {
      throw open.failure ?? new Error("the transaction was rolled back");
    }
    return result;
  } catch (error) {
    // If this fails the connection stays marked as in a transaction, and is closed on release.
    await open.end("ROLLBACK").catch(() => undefined);
    throw error;
  } finally {
    stopWatching();
  }
};
