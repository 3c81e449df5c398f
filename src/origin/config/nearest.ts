/** What somebody may have meant. */

/** Case and separators are what people mix up: `maxConnections`, `max-connections`. */
const plain = (name: string): string => name.toLowerCase().replace(/[^a-z0-9]/g, "");

/** Letters added, left out, replaced or swapped with their neighbour (optimal string alignment). */
export const editDistance = (a: string, b: string): number => {
  let beforeLast: readonly number[] = [];
  let last: readonly number[] = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1] ? 0 : 1;
      const swapped =
        row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]
          ? (beforeLast[column - 2] ?? 0) + 1
          : Number.POSITIVE_INFINITY;
      current[column] = Math.min(
        (last[column] ?? 0) + 1,
        (current[column - 1] ?? 0) + 1,
        (last[column - 1] ?? 0) + same,
        swapped,
      );
    }
    beforeLast = last;
    last = current;
  }
  return last[b.length] ?? 0;
};

/** How many changes still look like a slip: two in `cache`, one in `ttl` or `host`. */
const slips = ({ length }: string): number => Math.min(3, Math.max(1, Math.floor(length * 0.4)));

/** The closest name, where one is close. */
export const nearest = (name: string, names: readonly string[]): string | undefined => {
  const [best] = names
    .map((each) => ({ each, distance: editDistance(plain(name), plain(each)) }))
    .filter(({ each, distance }) => distance <= slips(each))
    .sort((a, b) => a.distance - b.distance);
  return best?.each;
};
