/** The port to PostgreSQL: what handlers see, and what a request's statements are bound by. */

/** A value that PostgreSQL takes as a parameter. */
export type SqlValue = string | number | boolean | null | readonly string[] | readonly (number | null)[];

export interface Database {
  /**
   * Runs one statement, a transaction of its own; int8 comes as a number, timestamptz as a Date.
   *
   * @throws UnavailableError, DeadlineError, StatementError (`failure.ts`)
   */
  query<Row extends object>(
    text: string,
    values?: readonly SqlValue[],
    options?: QueryOptions,
  ): Promise<Row[]>;
  /**
   * Runs several statements on a connection of their own, all or none of which count. Inside another
   * transaction it is a savepoint of it. Statements that are not awaited one by one go out together.
   *
   * What fails for a reason of concurrency (40001, 40P01) is run again from its beginning within the deadline:
   * `work` may run several times, so it has no other effects. It rolls back by throwing.
   */
  transaction<T>(work: (transaction: Transaction) => Promise<T>, options?: TransactionOptions): Promise<T>;
}

export interface QueryOptions {
  /**
   * `generic`: one plan serves for any values, so that planning is paid for once a connection. For statements
   * that always find their rows by an index; what has to be weighed anew for other values would suffer.
   * Within a transaction it holds for the statements that follow too.
   *
   * @default PostgreSQL's choice
   */
  readonly plan?: "generic" | undefined;
}

export interface SqlStatement extends QueryOptions {
  readonly text: string;
  readonly values: readonly SqlValue[];
}

export interface Transaction extends Database {
  /** Runs a text of any number of statements without parameters; the deadline does not reach into it. */
  script(text: string): Promise<void>;
}

export interface TransactionOptions {
  /** Only the outermost one's counts. @default the database's own, "read committed" as a rule */
  readonly isolation?: "read committed" | "repeatable read" | "serializable";
}

/** Why nobody waits for a request's answer any more. */
export type EndReason = "deadline" | "abandoned";

/** What a request's statements are bound by. */
export interface Scope {
  /** Whose statements they are, for the log: the route's operation name. */
  readonly name: string;
  /** Whose they are, where they are a request's. */
  readonly requestId?: string | undefined;
  /** Epoch milliseconds; Infinity where nothing bounds them. */
  readonly deadlineAtMs: number;
  /** Nothing is written: transactions are READ ONLY, and single statements may share a connection. */
  readonly readOnly: boolean;
  readonly ended: EndReason | undefined;
  /** Calls back once, when nobody waits any more. Returns how to take that back. */
  onEnd(listener: (reason: EndReason) => void): () => void;
}

/** For work that no request waits for, such as migrations: it takes as long as it takes. */
export const unboundScope = (name: string): Scope => ({
  name,
  deadlineAtMs: Number.POSITIVE_INFINITY,
  readOnly: false,
  ended: undefined,
  onEnd: () => () => undefined,
});

/** For maintenance and commands: each statement, and each transaction as a whole, has the same time. */
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

/** A row has the columns that its statement names: the caller knows them, the compiler cannot. */
export const asRows = <Row extends object>(rows: readonly unknown[]): Row[] => rows as Row[];
