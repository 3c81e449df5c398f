/** A queue with two ends that holds so much and no more, in a ring: each step costs the same however much is there. */

export interface BoundedQueue<Value> {
  readonly size: number;
  readonly isFull: boolean;
  first(): Value | undefined;
  /** @throws RangeError where it is full */
  push(value: Value): void;
  /** To the front. @throws RangeError where it is full */
  unshift(value: Value): void;
  /** Takes the first. */
  shift(): Value | undefined;
}

/** @throws RangeError where `most` is no whole number above 0 */
export const createBoundedQueue = <Value>(most: number): BoundedQueue<Value> => {
  if (!(Number.isInteger(most) && most > 0)) throw new RangeError("most must be a whole number above 0");
  // It grows to what is needed: few queues are ever full.
  const ring: (Value | undefined)[] = [];
  let head = 0;
  let size = 0;

  const refuseFull = (): void => {
    if (size === most) throw new RangeError("the queue is full");
  };

  return {
    get size() {
      return size;
    },
    get isFull() {
      return size === most;
    },
    first: () => (size === 0 ? undefined : ring[head]),
    push: (value) => {
      refuseFull();
      ring[(head + size) % most] = value;
      size += 1;
    },
    unshift: (value) => {
      refuseFull();
      head = (head + most - 1) % most;
      ring[head] = value;
      size += 1;
    },
    shift: () => {
      if (size === 0) return undefined;
      const value = ring[head];
      ring[head] = undefined;
      head = (head + 1) % most;
      size -= 1;
      return value;
    },
  };
};
