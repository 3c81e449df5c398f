/** Database reads for a hundred simultaneous requests for one stale product. */
import { setTimeout as pause } from "node:timers/promises";
import type { CacheSystem } from "./system.ts";

export interface StaleCell {
  readonly title: string;
  /** Database reads of each key. */
  readonly reads: readonly number[];
}

const READERS = 100;
/** Longer than a product's fresh time in the contract. */
const STALE_AFTER_MS = 5_200;
/** Until background work has ended. */
const SETTLE_MS = 300;

type Read = (product: number, reader: number) => Promise<unknown>;

const readsOf = (system: CacheSystem): Record<string, Read> => ({
  "Breakwater: one origin": (product) => system.readAt(0, product),
  "Breakwater: two origins": (product, reader) => system.readAt(reader % 2, product),
  "Breakwater: the edge before two origins": (product) => system.readThrough(product),
});

/** @param keys the number of products, each of which becomes stale once */
export const measureStaleKeys = async (
  system: CacheSystem,
  keys: number,
  signal: AbortSignal,
): Promise<StaleCell[]> => {
  const cells = Object.entries(readsOf(system));
  /** Each cell has products of its own, because they share Redis. */
  const productsOf = (cell: number): number[] =>
    Array.from({ length: keys }, (_, index) => 1 + cell * keys + index);
  for (const [cell, [, read]] of cells.entries())
    for (const product of productsOf(cell)) await Promise.all([read(product, 0), read(product, 1)]);
  await pause(STALE_AFTER_MS, undefined, { signal });
  const found = cells.map(([title]) => ({ title, reads: [] as number[] }));
  for (let index = 0; index < keys; index += 1) {
    for (const [cell, [, read]] of cells.entries()) {
      signal.throwIfAborted();
      const product = productsOf(cell)[index] ?? 0;
      const before = await system.reads();
      await Promise.all(Array.from({ length: READERS }, (_, reader) => read(product, reader)));
      await pause(SETTLE_MS, undefined, { signal });
      found[cell]?.reads.push((await system.reads()) - before);
    }
  }
  return found;
};
