/** How long a request is waited for: until its deadline, or until its client has gone. */
import type { EndReason, Scope } from "./db/database.ts";

/** One request in flight. Signal and listeners are made only for those that use them. */
export class RequestScope implements Scope {
  readonly name: string;
  readonly deadlineAtMs: number;
  readonly readOnly: boolean;
  readonly requestId: string | undefined;
  #ended: EndReason | undefined;
  #listeners: Set<(reason: EndReason) => void> | undefined;
  #controller: AbortController | undefined;

  /** @param deadlineAtMs epoch milliseconds @param requestId undefined for what is done for several */
  constructor(name: string, deadlineAtMs: number, readOnly: boolean, requestId?: string) {
    this.name = name;
    this.deadlineAtMs = deadlineAtMs;
    this.readOnly = readOnly;
    this.requestId = requestId;
  }

  get ended(): EndReason | undefined {
    return this.#ended;
  }

  /** Aborts when nobody waits any more. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#ended !== undefined) this.#controller.abort(this.#ended);
    }
    return this.#controller.signal;
  }

  onEnd(listener: (reason: EndReason) => void): () => void {
    if (this.#ended !== undefined) {
      listener(this.#ended);
      return () => undefined;
    }
    this.#listeners ??= new Set();
    // The set itself: a listener may be taken back by another one, while they are told.
    const listeners = this.#listeners;
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }

  /** Tells everybody that nobody waits any more; the first reason counts. */
  end(reason: EndReason): void {
    if (this.#ended !== undefined) return;
    this.#ended = reason;
    const listeners = this.#listeners;
    this.#listeners = undefined;
    this.#controller?.abort(reason);
    for (const listener of listeners ?? []) listener(reason);
  }
}
