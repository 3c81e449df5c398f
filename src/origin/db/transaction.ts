/** Transactions. A nested transaction is a savepoint. */
import { queryBy, type Scope, type SqlStatement, type Transaction, untilEnd } from "./database.ts";
import { isInFailedTransaction, requestEnded } from "./errors.ts";

type BothRows = readonly [readonly unknown[], readonly unknown[]];

/** Sends to the transaction's connection at once, behind everything sent before. */
export interface TransactionWire {
  /** @param before a command to run first; if it fails, the statement does not run */
  run(statement: SqlStatement, before?: string): Promise<readonly unknown[]>;
  /** Runs a whole transaction in one round trip. @returns the rows of both */
  runAll(first: SqlStatement, second: SqlStatement): Promise<BothRows>;
  /** Runs one or several commands without a deadline. */
  command(text: string): Promise<unknown>;
  script(text: string): Promise<unknown>;
  /** Sends the last command. @returns its tag */
  end(text: "COMMIT" | "ROLLBACK"): Promise<string>;
}

const BEGIN = "BEGIN";
/** The tag of COMMIT if a statement of the transaction has failed. */
const ROLLED_BACK = "ROLLBACK";

/** Sends BEGIN with the first statement. Later ones wait for its result: otherwise each would commit by itself. */
class OpenTransaction {
  /** Statements in the order of sending: running ones, and failed ones that were not rolled back. */
  readonly #sent = new Set<Promise<unknown>>();
  readonly #wire: TransactionWire;
  readonly #begin: string;
  #begun: Promise<unknown> | undefined;
  /** Statements that are the whole transaction, which ends with them. */
  #all: Promise<unknown> | undefined;
  #isOver = false;

  constructor(wire: TransactionWire, begin: string) {
    this.#wire = wire;
    this.#begin = begin;
  }

  send<T>(send: (wire: TransactionWire, before?: string) => Promise<T>): Promise<T> {
    const sendNow = async (before?: string): Promise<T> => {
      this.#throwIfOver();
      return await send(this.#wire, before);
    };
    const sent = this.#begun === undefined ? sendNow(this.#begin) : this.#begun.then(() => sendNow());
    this.#begun ??= sent;
    this.#sent.add(sent);
    sent.then(
      () => this.#sent.delete(sent),
      () => undefined,
    );
    return sent;
  }

  run(statement: SqlStatement): Promise<readonly unknown[]> {
    return this.send((wire, before) => wire.run(statement, before));
  }

  async runBoth(first: SqlStatement, second: SqlStatement): Promise<BothRows> {
    if (this.#begun !== undefined || this.#begin !== BEGIN)
      return await Promise.all([this.run(first), this.run(second)]);
    this.#throwIfOver();
    this.#isOver = true;
    const sent = this.#wire.runAll(first, second);
    this.#all = sent;
    this.#sent.add(sent);
    return await sent;
  }

  #throwIfOver(): void {
    if (this.#isOver) throw new Error("the transaction is over");
  }

  /**
   * The first failure that was not rolled back, whether or not the work handled or awaited it. All that was sent is settled
   * first: the server answers in order, but a later answer may pass through fewer promises.
   */
  async firstFailure(): Promise<unknown> {
    const outcomes = await Promise.allSettled(this.#sent);
    return outcomes.find((outcome) => outcome.status === "rejected")?.reason;
  }

  /** The failure because of which the server has rejected a later statement; any other error unchanged. */
  async causeOf(error: unknown): Promise<unknown> {
    return isInFailedTransaction(error) ? ((await this.firstFailure()) ?? error) : error;
  }

  rollBackTo(savepoint: string): void {
    const earlier = [...this.#sent];
    this.command(`ROLLBACK TO SAVEPOINT ${savepoint}`).then(
      () => {
        for (const sent of earlier) this.#sent.delete(sent);
      },
      () => undefined,
    );
  }

  command(text: string): Promise<unknown> {
    return this.send((wire, before) => wire.command(before === undefined ? text : `${before}; ${text}`));
  }

  /** Nothing is sent afterwards. @returns the command's tag */
  async end(text: "COMMIT" | "ROLLBACK"): Promise<string> {
    if (this.#all !== undefined)
      return await this.#all.then(
        () => text,
        () => ROLLED_BACK,
      );
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
    const cause = await open.causeOf(error);
    open.rollBackTo(name);
    throw cause;
  }
};

const transactionOver = (open: OpenTransaction, depth: number): Transaction => {
  /** Concurrent savepoints of one level run one after another. */
  let earlier: Promise<unknown> | undefined;
  return {
    query: queryBy((statement) => open.run(statement)),
    queryBoth: async <First extends object, Second extends object>(
      first: SqlStatement,
      second: SqlStatement,
    ) => (await open.runBoth(first, second)) as [First[], Second[]],
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

/**
 * Runs the work between BEGIN and COMMIT, and settles when the server has ended the transaction.
 *
 * @throws the error of the work, after ROLLBACK; the failure of a statement that the work ignored
 */
export const runTransaction = async <T>(
  wire: TransactionWire,
  scope: Scope,
  work: (transaction: Transaction) => Promise<T>,
): Promise<T> => {
  const open = new OpenTransaction(wire, scope.readOnly ? "BEGIN READ ONLY" : BEGIN);
  try {
    const result = await untilEnd(scope, work(transactionOver(open, 1)));
    // Checked last, so that nothing commits after the request has ended.
    if (scope.ended !== undefined) throw requestEnded(scope.ended);
    if ((await open.end("COMMIT")) === ROLLED_BACK)
      throw (await open.firstFailure()) ?? new Error("the transaction was rolled back");
    return result;
  } catch (error) {
    // If this fails the connection stays marked as in a transaction, and is closed on release.
    await open.end("ROLLBACK").catch(() => undefined);
    throw await open.causeOf(error);
  }
};
