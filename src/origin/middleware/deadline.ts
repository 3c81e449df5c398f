/** How long a request is worked on: until its deadline, or until its client disconnects. */
import { type EndReason, type Scope, untilEnd } from "../db/database.ts";
import type { OriginContext } from "./context.ts";

/** One request in flight. Its signal and its listeners are made only for callers that use them. */
export class Deadline implements Scope {
  readonly name: string;
  readonly deadlineAtMs: number;
  readonly readOnly: boolean;
  readonly requestId: string | undefined;
  #ended: EndReason | undefined;
  #listeners: Set<(reason: EndReason) => void> | undefined;
  #controller: AbortController | undefined;

  /**
   * @param name the operation, for the log
   * @param deadlineAtMs epoch milliseconds
   * @param readOnly whether the request's transactions are
   * @param requestId undefined for work that several requests wait for
   */
  constructor(name: string, deadlineAtMs: number, readOnly: boolean, requestId?: string) {
    this.name = name;
    this.deadlineAtMs = deadlineAtMs;
    this.readOnly = readOnly;
    this.requestId = requestId;
  }

  get ended(): EndReason | undefined {
    return this.#ended;
  }

  /** Aborts at the end, with the reason. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#ended !== undefined) this.#controller.abort(this.#ended);
    }
    return this.#controller.signal;
  }

  /** Calls the listener at once if the end has come. @returns removes the listener */
  onEnd(listener: (reason: EndReason) => void): () => void {
    if (this.#ended !== undefined) {
      listener(this.#ended);
      return () => undefined;
    }
    this.#listeners ??= new Set();
    // The set itself: a listener may remove another one while they are called.
    const listeners = this.#listeners;
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }

  /** The first reason counts. */
  end(reason: EndReason): void {
    if (this.#ended !== undefined) return;
    this.#ended = reason;
    const listeners = this.#listeners;
    this.#listeners = undefined;
    this.#controller?.abort(reason);
    for (const listener of listeners ?? []) listener(reason);
  }
}

export interface Deadlines {
  /** Ends the request at its deadline, unless it leaves before. */
  enter(deadline: Deadline): void;
  leave(deadline: Deadline): void;
  readonly inFlight: number;
  /**
   * Works until the deadline, or until the client disconnects. A later result is ignored, and so is a later error.
   *
   * @param c undefined for work that no single client waits for
   * @throws DeadlineError at the end; what the work throws
   */
  run<T>(deadline: Deadline, c: OriginContext | undefined, work: () => Promise<T>): Promise<T>;
}

/** How late a deadline may be noticed, milliseconds. */
const SWEEP_INTERVAL_MS = 20;

/**
 * One timer for all deadlines, which runs while there are any.
 *
 * @param now epoch milliseconds
 */
export const createDeadlines = (now: () => number): Deadlines => {
  const entered = new Set<Deadline>();
  let timer: NodeJS.Timeout | undefined;

  const sweep = (): void => {
    const nowMs = now();
    for (const deadline of entered) if (deadline.deadlineAtMs <= nowMs) deadline.end("deadline");
    if (entered.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };

  const enter = (deadline: Deadline): void => {
    entered.add(deadline);
    timer ??= setInterval(sweep, SWEEP_INTERVAL_MS);
  };

  return {
    enter,
    leave: (deadline) => void entered.delete(deadline),
    get inFlight() {
      return entered.size;
    },
    run: async (deadline, c, work) => {
      enter(deadline);
      c?.env?.outgoing?.once("close", () => deadline.end("abandoned"));
      try {
        return await untilEnd(deadline, work());
      } finally {
        entered.delete(deadline);
      }
    },
  };
};
