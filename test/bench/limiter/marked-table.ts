/** Tables in which a figure of Breakwater's that somebody else's is better than bears a mark. */
import { textTable } from "../support/table.ts";

export const MARK = "!";

export interface Column<Row> {
  readonly title: string;
  readonly of: (row: Row) => number | undefined;
  /** @default 2 */
  readonly digits?: number;
  /** Which figure is the better one. @default neither */
  readonly better?: "less" | "more";
}

export interface MarkedRow<Row> {
  readonly title: string;
  readonly isOurs: boolean;
  /** Those of one set are compared with each other. */
  readonly set: string;
  readonly row: Row;
}

const written = (value: number | undefined, digits = 2): string =>
  value === undefined ? "–" : value.toFixed(digits);

/** As they are written: what nobody sees is no difference. */
const isBeaten = <Row>(column: Column<Row>, own: MarkedRow<Row>, all: readonly MarkedRow<Row>[]): boolean => {
  const { better, of, digits } = column;
  const value = of(own.row);
  if (!own.isOurs || better === undefined || value === undefined) return false;
  const mine = Number(written(value, digits));
  return all.some((other) => {
    const its = of(other.row);
    if (other.isOurs || other.set !== own.set || its === undefined) return false;
    const their = Number(written(its, digits));
    return better === "less" ? their < mine : their > mine;
  });
};

export const markedTable = <Row>(
  title: string,
  columns: readonly Column<Row>[],
  rows: readonly MarkedRow<Row>[],
): string =>
  textTable(
    [title, ...columns.map((column) => column.title)],
    rows.map((each) => [
      each.title,
      ...columns.map((column) => {
        const mark = isBeaten(column, each, rows) ? MARK : "";
        return `${mark}${written(column.of(each.row), column.digits)}`;
      }),
    ]),
  );
