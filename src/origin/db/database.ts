/** The port to PostgreSQL that handlers see, and the scope that bounds a request's statements. */
import { requestEnded } from "./errors.ts";

/** A statement's parameter. */
export type SqlValue = string | number | boolean | null | readonly string[] | readonly (number | null)[];

export interface Database {
  /**
   * Runs one statement in a transaction of its own. int8 becomes a number, timestamptz a Date.
   *
   * @throws UnavailableError, DeadlineError, StatementError
   */
  query<Row extends object>(
    text: string,
    values?: readonly SqlValue[],
    options?: QueryOptions,
  ): Promise<Row[]>;
  /**
   * Runs several statements atomically, on a connection of their own; inside another transaction, as a savepoint.
   * Statements that are not awaited one by one are sent together. Throwing rolls back.
   *
   * After a concurrency failure (40001, 40P01) `work` runs again within the deadline, so it must have no other effects.
   * For another isolation level, begin with `script("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")`.
   */
  transaction<T>(work: (transaction: Transaction) => Promise<T>): Promise<T>;
}

export interface QueryOptions {
  /**
   * `generic`: one plan for all values, made once per connection. For statements that always find their rows by an index;
   * a statement whose best plan depends on its values would get slower. In a transaction it also applies to later statements.
   *
   * @default PostgreSQL's choice
   */
  readonly plan?: "generic" | undefined;
  /**
   * For statements that no transaction allows, such as CREATE INDEX CONCURRENTLY: no timeout is set, and that of the role
   * applies. Not inside `transaction`.
   */
  readonly outsideTransaction?: boolean | undefined;
  /**
   * The statement is all that a handler writes, and has written it if this row exists then. So it commits in one round trip,
   * with the audit event of a sensitive route, and the handler sends nothing afterwards.
   */
  readonly creates?: CreatedRow | undefined;
}

export interface CreatedRow {
  /** Becomes a part of a statement's text. */
  readonly table: string;
  readonly id: string;
}

export interface Transaction extends Database {
  /** Runs several statements in one text, without parameters. Each has the rest of the deadline. */
  script(text: string): Promise<void>;
  /**
   * Runs two statements in one round trip. Unless others came before, they are the whole transaction and commit with it.
   *
   * @returns the rows of each
   */
  queryBoth<First extends object, Second extends object>(
    first: SqlStatement,
    second: SqlStatement,
  ): Promise<readonly [First[], Second[]]>;
}

/** Why a request has ended before its response. */
export type EndReason = "deadline" | "abandoned";

/** Bounds a request's statements. */
export interface Scope {
  /** The route's operation name, for the log. */
  readonly name: string;
  readonly requestId?: string | undefined;
  /** Epoch milliseconds; Infinity for no deadline. */
  readonly deadlineAtMs: number;
  /** Transactions are READ ONLY, and single statements may share a connection. */
  readonly readOnly: boolean;
  readonly ended: EndReason | undefined;
  /** Calls back once, when the request ends. @returns removes the listener */
  onEnd(listener: (reason: EndReason) => void): () => void;
}

/** For work without a time limit, such as migrations. */
export const unboundScope = (name: string): Scope => ({
  name,
  deadlineAtMs: Number.POSITIVE_INFINITY,
  readOnly: false,
  ended: undefined,
  onEnd: () => () => undefined,
});

/** For maintenance and commands: limits each statement, and each transaction as a whole. */
export const timedScope = (name: string, timeoutMs: number, readOnly = false): Scope => ({
  name,
  get deadlineAtMs() {
    return Date.now() + timeoutMs;
  },
  readOnly,
  ended: undefined,
  onEnd: (listener) => {
    const timer = setTimeout(() => listener("deadline"), timeoutMs);
    return () => clearTimeout(timer);
  },
});

/**
 * Settles as the promise does, or at the request's end. A later outcome is ignored.
 *
 * @throws DeadlineError at the request's end
 */
export const untilEnd = <T>(scope: Scope, pending: Promise<T>): Promise<T> =>
  new Promise((resolve, reject) => {
    const stopWatching = scope.onEnd((reason) => reject(requestEnded(reason)));
    const settled =
      <Value>(settle: (value: Value) => void) =>
      (value: Value): void => {
        stopWatching();
        settle(value);
      };
    pending.then(settled(resolve), settled(reject));
  });

/** Rows per statement of a cleanup, so that each holds its locks only briefly. */
const BATCH_SIZE = 1_000;
/** Batches per run; the next run handles the rest. */
const MAX_BATCHES = 20;

/** Repeats a statement that changes at most $1 rows, until it finds fewer. @returns all rows that it returned */
export const runInBatches = async <Row extends object>(
  database: Database,
  statement: string,
): Promise<Row[]> => {
  const all: Row[] = [];
  for (let batch = 0; batch < MAX_BATCHES; batch += 1) {
    const rows = await database.query<Row>(statement, [BATCH_SIZE]);
    all.push(...rows);
    if (rows.length < BATCH_SIZE) break;
  }
  return all;
};

export interface SqlStatement extends Pick<QueryOptions, "plan" | "outsideTransaction"> {
  readonly text: string;
  readonly values: readonly SqlValue[];
}

/** `query` of a database. The caller names the columns of its statement; the compiler cannot check them. */
export const queryBy =
  (run: (statement: SqlStatement, creates?: CreatedRow) => Promise<readonly unknown[]>): Database["query"] =>
  async <Row extends object>(
    text: string,
    values: readonly SqlValue[] = [],
    { creates, ...options }: QueryOptions = {},
  ) =>
    (await run({ text, values, ...options }, creates)) as Row[];
