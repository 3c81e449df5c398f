/** Tables of results. */
import { textTable } from "../support/table.ts";
import type { Contestant } from "./contestant.ts";

export interface Row {
  readonly contestant: Contestant;
  readonly title: string;
}

export interface Column<R extends Row> {
  readonly title: string;
  readonly of: (row: R) => number | undefined;
  /** @default 2 */
  readonly digits?: number;
}

export const resultTable = <R extends Row>(
  title: string,
  columns: readonly Column<R>[],
  rows: readonly R[],
): string =>
  textTable(
    [title, ...columns.map((column) => column.title)],
    rows.map((row) => [
      `${row.title} ${row.contestant.title}`.trim(),
      ...columns.map(({ of, digits = 2 }) => of(row)?.toFixed(digits) ?? "–"),
    ]),
  );
