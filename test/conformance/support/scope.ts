/** A request's scope, ended by the test. */
import type { EndReason, Scope } from "../../../src/origin/db/database.ts";

export interface TestScope extends Scope {
  end(reason: EndReason): void;
}

export interface TestScopeOptions {
  /** @default "conformance" */
  readonly name?: string;
  /** The deadline, milliseconds from now. @default 50,000, longer than any test waits */
  readonly timeoutMs?: number;
  /** @default false */
  readonly readOnly?: boolean;
}

export const testScope = (options: TestScopeOptions = {}): TestScope => {
  const { name = "conformance", timeoutMs = 50_000, readOnly = false } = options;
  const listeners = new Set<(reason: EndReason) => void>();
  let ended: EndReason | undefined;
  const end = (reason: EndReason): void => {
    if (ended !== undefined) return;
    clearTimeout(timer);
    ended = reason;
    for (const listener of listeners) listener(reason);
    listeners.clear();
  };
  const timer = setTimeout(() => end("deadline"), timeoutMs).unref();
  return {
    name,
    deadlineAtMs: Date.now() + timeoutMs,
    readOnly,
    get ended() {
      return ended;
    },
    onEnd: (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    end,
  };
};

export const reading = (timeoutMs?: number): TestScope =>
  testScope({ readOnly: true, ...(timeoutMs === undefined ? {} : { timeoutMs }) });

export const writing = (timeoutMs?: number): TestScope =>
  testScope(timeoutMs === undefined ? {} : { timeoutMs });
