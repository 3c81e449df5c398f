/** The end of a request's work: at its deadline, or when its client disconnects. */
import { type EndReason, type Scope, untilEnd } from "../db/database.ts";
import type { OriginContext } from "./context.ts";

/** One request in flight. Signal and listeners are created on first use. */
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
   * @param readOnly whether the request's transactions are read-only
   * @param requestId undefined for work that several requests share
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
    // A listener may remove another one while they are called.
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

/** How late a deadline may be noticed, milliseconds. */
const SWEEP_INTERVAL_MS = 20;

export type Deadlines = ReturnType<typeof createDeadlines>;

/** One timer for all deadlines. @param now epoch milliseconds */
export const createDeadlines = (now: () => number) => {
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
    /** Ends the request at its deadline, unless it leaves before. */
    enter,
    leave: (deadline: Deadline): void => void entered.delete(deadline),
    get inFlight() {
      return entered.size;
    },
    /**
     * Works until the deadline, or until the client disconnects; a later result or error is ignored.
     *
     * @param c undefined for work that several clients wait for
     * @throws DeadlineError at the end; what the work throws
     */
    run: async <T>(deadline: Deadline, c: OriginContext | undefined, work: () => Promise<T>): Promise<T> => {
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
