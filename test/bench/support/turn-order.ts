/**
 * The order of a round's contestants. Over n rounds, each of n contestants takes every place, and, if n is even, follows each
 * other one once (E. J. Williams, "Experimental designs balanced for the estimation of residual effects of treatments", 1949),
 * so that the garbage of one does not always burden the same other one. The next n rounds are reversed, which balances an odd
 * n too.
 */
export const turnOrder = <Item>(items: readonly Item[], round: number): Item[] => {
  const count = items.length;
  // 0, 1, −1, 2, −2 …
  const order = items.flatMap((_, place) => {
    const step = place % 2 === 0 ? -place / 2 : (place + 1) / 2;
    const item = items[(((round + step) % count) + count) % count];
    return item === undefined ? [] : [item];
  });
  return Math.floor(round / count) % 2 === 0 ? order : order.reverse();
};
