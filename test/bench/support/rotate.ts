/** The list with its first `by` items at its end, so that nobody always comes after the same one. */
export const rotate = <Item>(items: readonly Item[], by: number): Item[] => {
  const at = items.length === 0 ? 0 : by % items.length;
  return [...items.slice(at), ...items.slice(0, at)];
};
