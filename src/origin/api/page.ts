/** A page of a list that was read with one row more than asked for; that row tells whether more follow. */
export const pageOf = <Item extends { id: string }>(
  items: readonly Item[],
  limit: number,
): { items: Item[]; nextCursor: string | null } => {
  const shown = items.slice(0, limit);
  return { items: shown, nextCursor: items.length > limit ? (shown.at(-1)?.id ?? null) : null };
};
