import { expect, test } from "vitest";
import type { Retry } from "../../../src/contract/policy.ts";
import { type RetryMode, retryModeOf } from "../../../src/resilience/hedging.ts";

const RETRIES: readonly (Retry | undefined)[] = [undefined, "safe", "idempotent", "with-key", "never"];

/** What changes nothing is repeated but where its route forbids it. */
const READ: readonly RetryMode[] = ["hedge", "hedge", "hedge", "hedge", "never"];
const IDEMPOTENT: readonly RetryMode[] = ["never", "never", "retry", "never", "never"];
const WITH_KEY: readonly RetryMode[] = ["never", "never", "never", "retry", "never"];
const NEVER: readonly RetryMode[] = ["never", "never", "never", "never", "never"];

test.for([
  { method: "GET", bare: READ, keyed: READ },
  { method: "HEAD", bare: READ, keyed: READ },
  { method: "OPTIONS", bare: READ, keyed: READ },
  { method: "PUT", bare: IDEMPOTENT, keyed: IDEMPOTENT },
  { method: "DELETE", bare: IDEMPOTENT, keyed: IDEMPOTENT },
  { method: "POST", bare: NEVER, keyed: WITH_KEY },
  { method: "PATCH", bare: NEVER, keyed: WITH_KEY },
  // Methods have their case (RFC 9110 §9.1), and of those that are unknown nothing is known.
  { method: "get", bare: NEVER, keyed: WITH_KEY },
  { method: "PURGE", bare: NEVER, keyed: WITH_KEY },
])("a $method is repeated as its route says, where its method allows it", ({ method, bare, keyed }) => {
  expect(RETRIES.map((retry) => retryModeOf(method, retry, false))).toEqual(bare);
  expect(RETRIES.map((retry) => retryModeOf(method, retry, true))).toEqual(keyed);
});
