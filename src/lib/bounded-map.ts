/**
 * A map of bounded size that keeps recently used entries. It has two halves: an entry that is set or read moves to the young
 * one; when that is full, it replaces the old one. So every step takes constant time. (Deleting the first entry of one `Map`
 * again and again does not: each search for it passes over the deleted ones.)
 */

export interface BoundedMap<Value> {
  /** The entry then counts as recently used. */
  get(key: string): Value | undefined;
  set(key: string, value: Value): void;
  delete(key: string): void;
  readonly size: number;
}

/** @throws RangeError unless `most` is a whole number above 1 */
export const createBoundedMap = <Value>(most: number): BoundedMap<Value> => {
  if (!(Number.isInteger(most) && most > 1)) throw new RangeError("most must be a whole number above 1");
  const half = Math.floor(most / 2);
  let young = new Map<string, Value>();
  let old = new Map<string, Value>();

  const set = (key: string, value: Value): void => {
    if (young.size >= half && !young.has(key)) {
      old = young;
      young = new Map();
    }
    young.set(key, value);
    if (old.size > 0) old.delete(key);
  };

  return {
    get: (key) => {
      const value = young.get(key);
      if (value !== undefined) return value;
      const older = old.get(key);
      if (older !== undefined) set(key, older);
      return older;
    },
    set,
    delete: (key) => {
      young.delete(key);
      old.delete(key);
    },
    get size() {
      return young.size + old.size;
    },
  };
};
