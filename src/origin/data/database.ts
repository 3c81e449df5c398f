/** The port to PostgreSQL that handlers see. */

/** A value that PostgreSQL takes as a parameter. */
export type SqlValue = string | number | boolean | null | readonly string[] | readonly number[];

export interface Database {
  /** Runs one statement, which is a transaction of its own; int8 comes as a number, timestamptz as a Date. */
  query<Row extends object>(text: string, values?: readonly SqlValue[]): Promise<Row[]>;
}
