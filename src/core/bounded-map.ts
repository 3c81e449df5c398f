/** A map that holds so much and no more: what was not asked for longest goes first. */

export interface BoundedMap<Value> {
  /** What is there, which is then the last to go. */
  get(key: string): Value | undefined;
  /** What is there; the order stays. */
  peek(key: string): Value | undefined;
  set(key: string, value: Value): void;
  delete(key: string): void;
  readonly size: number;
}

/** @throws RangeError where `most` is no whole number above 0 */
export const createBoundedMap = <Value>(most: number): BoundedMap<Value> => {
  if (!(Number.isInteger(most) && most > 0)) throw new RangeError("most must be a whole number above 0");
  // A map of the language keeps the order in which keys were set.
  const values = new Map<string, Value>();
  /** It has no place to be moved to. */
  let newest: string | undefined;

  const renew = (key: string, value: Value): void => {
    if (key !== newest) values.delete(key);
    values.set(key, value);
    newest = key;
  };

  return {
    get: (key) => {
      const value = values.get(key);
      if (value !== undefined && key !== newest) renew(key, value);
      return value;
    },
    peek: (key) => values.get(key),
    set: (key, value) => {
      renew(key, value);
      if (values.size <= most) return;
      const [oldest] = values.keys();
      if (oldest !== undefined) values.delete(oldest);
    },
    delete: (key) => {
      values.delete(key);
      if (key === newest) newest = undefined;
    },
    get size() {
      return values.size;
    },
  };
};
