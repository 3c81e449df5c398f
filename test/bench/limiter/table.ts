/** Tables that mark a figure of Breakwater's if another contestant's is better. */
import { textTable } from "../support/table.ts";
import type { Contestant } from "./contestant.ts";

export const MARK = "!";

export interface Row {
  readonly contestant: Contestant;
  /** Rows of the same title are compared with each other. */
  readonly title: string;
}

export interface Column<R extends Row> {
  readonly title: string;
  readonly of: (row: R) => number | undefined;
  /** @default 2 */
  readonly digits?: number;
  /** Whether less is better. @default neither is */
  readonly isLessBetter?: boolean;
}

const written = (value: number | undefined, digits = 2): string =>
  value === undefined ? "–" : value.toFixed(digits);

/** Compares the figures as they are printed. */
const isBeaten = <R extends Row>(
  { isLessBetter, of, digits }: Column<R>,
  own: R,
  all: readonly R[],
): boolean =>
  isLessBetter === true &&
  own.contestant.isOurs &&
  all.some(
    (other) =>
      other.title === own.title &&
      of(other) !== undefined &&
      Number(written(of(other), digits)) < Number(written(of(own), digits)),
  );

export const markedTable = <R extends Row>(
  title: string,
  columns: readonly Column<R>[],
  rows: readonly R[],
): string =>
  textTable(
    [title, ...columns.map((column) => column.title)],
    rows.map((row) => [
      `${row.title} ${row.contestant.title}`.trim(),
      ...columns.map(
        (column) => `${isBeaten(column, row, rows) ? MARK : ""}${written(column.of(row), column.digits)}`,
      ),
    ]),
  );
