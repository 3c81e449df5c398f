/**
 * A map that holds so much and no more. It has two halves: what is set or asked for goes to the young one; when that is
 * full, it takes the old one's place, which goes. So what was asked for lately stays, and each step costs the same
 * however much is there. (To drop the first entry of one `Map` again and again does not: it has to look for it behind
 * all those that were dropped.)
 */

export interface BoundedMap<Value> {
  /** What is there, which then stays for a while. */
  get(key: string): Value | undefined;
  set(key: string, value: Value): void;
  delete(key: string): void;
  readonly size: number;
}

/** @throws RangeError where `most` is no whole number above 1 */
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
