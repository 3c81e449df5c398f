/**
 * Paged lists and their cursors. A cursor is the position after which the next page begins, with a MAC: a
 * client can neither forge one nor use it for another list, another filter or another principal.
 */
import { timingSafeEqual } from "node:crypto";
import { problem } from "../contract/problem.ts";
import { fromBase64Url } from "../lib/encoding.ts";
import type { SigningKey } from "../middleware/signature/signing-keys.ts";
import { ProblemError } from "./middleware/error-handler.ts";

/** 128 bits: enough against guessing. */
const MAC_BYTES = 16;

/** Separates a cursor's MAC from every other use of the keys. */
const PURPOSE = "breakwater-cursor";

/** Identifies a list: a cursor of one is invalid in every other. */
export interface ListIdentity {
  /** The route's operation name. */
  readonly operation: string;
  /** The list's owner; undefined for a public list. */
  readonly principal: string | undefined;
  /** The part of the query that selects the items, in a fixed order. */
  readonly filter: string;
}

const macOf = (key: SigningKey, { operation, principal, filter }: ListIdentity, position: string): Buffer =>
  Buffer.from(
    key.mac(JSON.stringify([PURPOSE, operation, principal ?? null, filter, position])),
    "base64",
  ).subarray(0, MAC_BYTES);

/** @returns undefined unless the cursor was sealed for this list with one of the keys */
const openCursor = (keys: readonly SigningKey[], list: ListIdentity, cursor: string): string | undefined => {
  const sealed = fromBase64Url(cursor);
  if (sealed === undefined || sealed.byteLength < MAC_BYTES) return undefined;
  const position = Buffer.from(sealed.subarray(MAC_BYTES)).toString();
  const mac = sealed.subarray(0, MAC_BYTES);
  return keys.some((key) => timingSafeEqual(mac, macOf(key, list, position))) ? position : undefined;
};

/** The cursors of one request's list. */
export type Cursors = ReturnType<typeof cursorsOf>;

/** Parameters that select the page, not the items. */
const PAGING = new Set(["cursor", "limit"]);

/** The rest of a query, as text that is equal for equal filters. */
export const filterOf = (query: unknown): string => {
  if (typeof query !== "object" || query === null) return "";
  const filters = Object.entries(query).filter(([name, value]) => !PAGING.has(name) && value !== undefined);
  return JSON.stringify(filters.sort(([a], [b]) => (a < b ? -1 : 1)));
};

export const cursorsOf = (keys: readonly [SigningKey, ...SigningKey[]], list: () => ListIdentity) => ({
  /**
   * The position of a client's cursor; undefined without one.
   *
   * @throws ProblemError (400) for a cursor of another list
   */
  open: (cursor: string | undefined): string | undefined => {
    if (cursor === undefined) return undefined;
    const position = openCursor(keys, list(), cursor);
    if (position !== undefined) return position;
    const detail = "Must be a nextCursor of this list";
    throw new ProblemError(
      problem("invalid_request", { errors: [{ in: "query", field: "cursor", detail }] }),
    );
  },
  /** The cursor of a position, for `nextCursor`. */
  seal: (position: string): string =>
    Buffer.concat([macOf(keys[0], list(), position), Buffer.from(position)]).toString("base64url"),
});

/** A page of a list that was read with one item more than the limit, which shows that more follow. */
export const pageOf = <Item extends { id: string }>(
  items: readonly Item[],
  limit: number,
  cursors: Cursors,
): { items: Item[]; nextCursor: string | null } => {
  const shown = items.slice(0, limit);
  const last = items.length > limit ? shown.at(-1) : undefined;
  return { items: shown, nextCursor: last === undefined ? null : cursors.seal(last.id) };
};
