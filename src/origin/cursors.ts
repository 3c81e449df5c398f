/**
 * Paged lists and their cursors. A cursor is the position after which the next page begins, sealed so that a client can
 * neither make one up nor carry it to another list, another filter or another principal's.
 */
import { timingSafeEqual } from "node:crypto";
import { problem } from "../contract/problem.ts";
import { fromBase64 } from "../lib/encoding.ts";
import type { SigningKey } from "../middleware/signature/signing-keys.ts";
import { ProblemError } from "./middleware/error-handler.ts";

/** 128 bits of the MAC: as much as a guess at it is worth. */
const MAC_BYTES = 16;

/** Sets a cursor's MAC apart from every other use of the keys. */
const PURPOSE = "breakwater-cursor";

/** What a list is: whose cursors are its own. */
export interface ListIdentity {
  /** The route's operation name. */
  readonly operation: string;
  /** Whose list it is; undefined where it is everybody's. */
  readonly principal: string | undefined;
  /** What of the query chooses the items, in an order of its own. */
  readonly filter: string;
}

const macOf = (key: SigningKey, { operation, principal, filter }: ListIdentity, position: string): Buffer =>
  Buffer.from(
    key.mac(JSON.stringify([PURPOSE, operation, principal ?? null, filter, position])),
    "base64",
  ).subarray(0, MAC_BYTES);

/** A position may begin with what looks like a byte order mark: it stays. */
const EXACTLY = { fatal: true, ignoreBOM: true };

const decoded = (bytes: Uint8Array): string | undefined => {
  try {
    return new TextDecoder("utf-8", EXACTLY).decode(bytes);
  } catch {
    return undefined;
  }
};

/** The cursor of a position. */
const sealCursor = (key: SigningKey, list: ListIdentity, position: string): string =>
  Buffer.concat([macOf(key, list, position), Buffer.from(position)]).toString("base64url");

/** The position; undefined where the cursor is not one of this list, by any of the keys. */
const openCursor = (keys: readonly SigningKey[], list: ListIdentity, cursor: string): string | undefined => {
  const sealed = fromBase64(cursor);
  if (sealed === undefined || sealed.byteLength < MAC_BYTES) return undefined;
  const position = decoded(sealed.subarray(MAC_BYTES));
  if (position === undefined) return undefined;
  const mac = sealed.subarray(0, MAC_BYTES);
  return keys.some((key) => timingSafeEqual(mac, macOf(key, list, position))) ? position : undefined;
};

/** The cursors of one request's list. */
export type Cursors = ReturnType<typeof cursorsOf>;

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

export const cursorsOf = (keys: readonly [SigningKey, ...SigningKey[]], list: () => ListIdentity) => ({
  /**
   * The position that a client's cursor stands for; undefined where it sent none.
   *
   * @throws ProblemError (400) for one that is not this list's
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
  seal: (position: string): string => sealCursor(keys[0], list(), position),
});

/** A page of a list that was read with one row more than asked for; that row means that more follow. */
export const pageOf = <Item extends { id: string }>(
  items: readonly Item[],
  limit: number,
  cursors: Cursors,
): { items: Item[]; nextCursor: string | null } => {
  const shown = items.slice(0, limit);
  const last = items.length > limit ? shown.at(-1) : undefined;
  return { items: shown, nextCursor: last === undefined ? null : cursors.seal(last.id) };
};
