/** What every limiter is to the benchmark. */
import type { LimitMode } from "../../../src/middleware/rate-limit/request-check.ts";
import type { Rule } from "./rule.ts";

export interface Said {
  readonly isAdmitted: boolean;
  /** What gave the verdict; `error`: none did. */
  readonly mode: LimitMode | "error";
  /** The breaker was open, and nobody was asked for it. */
  readonly isStoreGivenUp?: boolean;
}

/** A limiter as one isolate has it. */
export interface Isolate {
  ask(key: string, cost: number): Promise<Said>;
  /** Resolves when what it does behind the answers is done. */
  settled(): Promise<void>;
}

export interface IsolateSetup {
  readonly url: string;
  readonly token: string;
  /** With which every key in Redis begins. */
  readonly keyPrefix: string;
  readonly rule: Rule;
  /** What decides while the store does not answer, where it may be chosen. */
  readonly onStoreFailure: "local" | "closed";
}

export interface Contestant {
  readonly id: string;
  readonly title: string;
  readonly isOurs: boolean;
  /** By what its refusals are judged: a bucket, or what any window may have. */
  readonly oracle: "bucket" | "window";
  /** The most tokens that it promises to admit within any one window of the rule's length. */
  promised(rule: Rule): number;
  open(setup: IsolateSetup): Isolate;
}
