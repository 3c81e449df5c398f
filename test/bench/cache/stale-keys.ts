/** Database reads for a hundred simultaneous requests for one stale product. */
import { setTimeout as pause } from "node:timers/promises";
import { LRUCache } from "lru-cache";
import type { CacheSystem } from "./system.ts";

export interface StaleCell {
  readonly title: string;
  /** Database reads of each key. */
  readonly reads: readonly number[];
}

const READERS = 100;
/** Longer than the five seconds for which the contract lets a product be fresh. */
const STALE_AFTER_MS = 5_200;
/** Until background work has ended. */
const SETTLE_MS = 300;

type Ask = (product: number, reader: number) => Promise<unknown>;

const SELECT = "SELECT id, name, stock FROM products WHERE id = $1";

/** Common compositions of packages, on the same database. */
const peers = ({ pool }: CacheSystem, idOf: (product: number) => string): Record<string, Ask> => {
  const read = async (product: number): Promise<object> => {
    const [row] = await pool.query<object>(SELECT, [idOf(product)]);
    return row ?? {};
  };
  const plain = new LRUCache<number, object>({ max: 1_000, ttl: 5_000 });
  const fetching = new LRUCache<number, object>({
    max: 1_000,
    ttl: 5_000,
    allowStale: true,
    fetchMethod: read,
  });
  return {
    "one process: lru-cache, get, else read and set": async (product) => {
      if (plain.get(product) === undefined) plain.set(product, await read(product));
    },
    "one process: lru-cache, fetch() with allowStale": (product) => fetching.fetch(product),
  };
};

const ours = (system: CacheSystem): Record<string, Ask> => ({
  "Breakwater: one origin": (product) => system.readAt(0, product),
  "Breakwater: two origins": (product, reader) => system.readAt(reader % 2, product),
  "Breakwater: the edge before two origins": (product) => system.readThrough(product),
});

/** @param keys the number of products, each of which becomes stale once */
export const measureStaleKeys = async (
  system: CacheSystem,
  idOf: (product: number) => string,
  keys: number,
  signal: AbortSignal,
): Promise<StaleCell[]> => {
  const cells = Object.entries({ ...peers(system, idOf), ...ours(system) });
  /** Each cell has products of its own, because they share Redis. */
  const productsOf = (cell: number): number[] =>
    Array.from({ length: keys }, (_, index) => 1 + cell * keys + index);
  for (const [cell, [, ask]] of cells.entries())
    for (const product of productsOf(cell)) await Promise.all([ask(product, 0), ask(product, 1)]);
  await pause(STALE_AFTER_MS, undefined, { signal });
  const found = cells.map(([title]) => ({ title, reads: [] as number[] }));
  for (let index = 0; index < keys; index += 1) {
    for (const [cell, [, ask]] of cells.entries()) {
      signal.throwIfAborted();
      const product = productsOf(cell)[index] ?? 0;
      const before = await system.reads();
      await Promise.all(Array.from({ length: READERS }, (_, reader) => ask(product, reader)));
      await pause(SETTLE_MS, undefined, { signal });
      found[cell]?.reads.push((await system.reads()) - before);
    }
  }
  return found;
};
