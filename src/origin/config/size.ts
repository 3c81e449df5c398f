/** Amounts of memory as people write them: `512KiB`, `64MiB`, `64MB`, `1GiB`. */

const UNITS = [
  ["GiB", 1024 ** 3],
  ["GB", 1000 ** 3],
  ["MiB", 1024 ** 2],
  ["MB", 1000 ** 2],
  ["KiB", 1024],
  ["KB", 1000],
  ["B", 1],
] as const;

/** @returns bytes, or undefined for anything but a whole number with its unit */
export const parseSize = (text: string): number | undefined => {
  const [, amount, written] = /^(\d{1,12}) ?([kmg]?i?b)$/i.exec(text) ?? [];
  const [, bytes] = UNITS.find(([unit]) => unit.toLowerCase() === written?.toLowerCase()) ?? [];
  return bytes === undefined ? undefined : Number(amount) * bytes;
};

/** Writes bytes, in the longest unit that divides them, so that `parseSize` reads them back. */
export const formatSize = (bytes: number): string => {
  const [unit, length] = UNITS.find(([, each]) => bytes > 0 && bytes % each === 0) ?? ["B", 1];
  return `${bytes / length}${unit}`;
};
