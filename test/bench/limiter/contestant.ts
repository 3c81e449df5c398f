/** A limiter, as the benchmark sees it. */
import type { LimitMode } from "../../../src/middleware/rate-limit/limit-check.ts";
import type { BucketRule } from "../../../src/middleware/rate-limit/token-bucket.ts";

/** A number of tokens per window. */
export interface Rule {
  readonly tokens: number;
  readonly windowMs: number;
}

/** The bucket that holds all tokens, and gets them back within the window. */
export const bucketOf = ({ tokens, windowMs }: Rule): BucketRule => ({
  capacity: tokens,
  refillPerSecond: (tokens * 1_000) / windowMs,
});

export interface Verdict {
  readonly isAdmitted: boolean;
  /** The source of the decision; `error`: there was none. */
  readonly mode: LimitMode | "error";
}

/** A limiter of one isolate. */
export interface Isolate {
  ask(key: string): Promise<Verdict>;
  /** Resolves when its background work is done. */
  settled(): Promise<void>;
}

export interface IsolateSetup {
  readonly url: string;
  readonly token: string;
  /** The start of every key in Redis. */
  readonly keyPrefix: string;
  readonly rule: Rule;
  /** The decision while the store does not respond, if it can be chosen. */
  readonly onStoreFailure: "local" | "closed";
}

export interface Contestant {
  readonly id: string;
  readonly title: string;
  readonly isOurs: boolean;
  /** The judge of its rejections: a bucket, or the tokens of any window. */
  readonly oracle: "bucket" | "window";
  /** The most tokens that it promises to admit within any window of the rule's length. */
  promised(rule: Rule): number;
  open(setup: IsolateSetup): Isolate;
}

export interface BackgroundWork {
  add(this: void, work: Promise<unknown>): void;
  /** Resolves when all work has ended, with or without an error. */
  settled(this: void): Promise<void>;
}

export const createBackgroundWork = (): BackgroundWork => {
  const running = new Set<Promise<unknown>>();
  return {
    add: (work) => {
      const ended = work.catch(() => undefined).finally(() => running.delete(ended));
      running.add(ended);
    },
    settled: async () => {
      while (running.size > 0) await Promise.all(running);
    },
  };
};
