/** The other workers of the origin, as one of them sees them: they are told of its writes. */
import { within } from "../within.ts";
import type { ToPrimary } from "./worker-messages.ts";

export interface OtherWorkers {
  /** Resolves when none of them serves what is older than the write, or after a bound. */
  invalidate(tags: readonly string[]): Promise<void>;
  /** The primary says that they know of a write. */
  invalidated(id: number): void;
}

/** Longer than this no write waits for them, milliseconds. */
const TELL_TIMEOUT_MS = 200;

export const createOtherWorkers = (tell: (message: ToPrimary) => void): OtherWorkers => {
  const pending = new Map<number, () => void>();
  let writes = 0;
  return {
    invalidate: async (tags) => {
      writes += 1;
      const id = writes;
      const { promise, resolve } = Promise.withResolvers<void>();
      pending.set(id, resolve);
      tell({ kind: "invalidate", id, tags: [...tags] });
      try {
        await within(promise, TELL_TIMEOUT_MS, undefined);
      } finally {
        pending.delete(id);
      }
    },
    invalidated: (id) => pending.get(id)?.(),
  };
};
