/** The cursors of one request's list. */
import { problem } from "../../contract/problem.ts";
import type { SigningKey } from "../../middleware/signature/signing-keys.ts";
import { ProblemError } from "../middleware/error-handler.ts";
import { type ListIdentity, openCursor, sealCursor } from "./cursor.ts";

export interface Cursors {
  /**
   * The position that a client's cursor stands for; undefined where it sent none.
   *
   * @throws ProblemError (400) for one that is not this list's
   */
  open(cursor: string | undefined): string | undefined;
  /** The cursor of a position, for `nextCursor`. */
  seal(position: string): string;
}

/** What chooses where a page begins and ends does not choose the list. */
const NOT_FILTERS = new Set(["cursor", "limit"]);

/** The rest of a query, as text that is the same for the same filters. */
export const filterOf = (query: unknown): string => {
  if (typeof query !== "object" || query === null) return "";
  const filters = Object.entries(query).filter(
    ([name, value]) => !NOT_FILTERS.has(name) && value !== undefined,
  );
  return JSON.stringify(filters.sort(([a], [b]) => (a < b ? -1 : 1)));
};

export const cursorsOf = (
  keys: readonly [SigningKey, ...SigningKey[]],
  list: () => ListIdentity,
): Cursors => ({
  open: (cursor) => {
    if (cursor === undefined) return undefined;
    const position = openCursor(keys, list(), cursor);
    if (position !== undefined) return position;
    const detail = "Must be a nextCursor of this list";
    throw new ProblemError(
      problem("invalid_request", { errors: [{ in: "query", field: "cursor", detail }] }),
    );
  },
  seal: (position) => sealCursor(keys[0], list(), position),
});
