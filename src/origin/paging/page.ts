import type { Cursors } from "./cursors.ts";

/** A page of a list that was read with one row more than asked for; that row tells whether more follow. */
export const pageOf = <Item extends { id: string }>(
  items: readonly Item[],
  limit: number,
  cursors: Cursors,
): { items: Item[]; nextCursor: string | null } => {
  const shown = items.slice(0, limit);
  const last = items.length > limit ? shown.at(-1) : undefined;
  return { items: shown, nextCursor: last === undefined ? null : cursors.seal(last.id) };
};
