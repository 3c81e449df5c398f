/**
 * The order in which a round's contestants take their turns. Over as many rounds as there are contestants each one takes
 * every place, and, of an even number, comes once after each other one (E. J. Williams, "Experimental designs balanced for
 * the estimation of residual effects of treatments", 1949), so that the garbage of one does not always burden the same other
 * one. The next rounds, as many, go the other way, which balances an odd number too.
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
