/** A backend of slots that serve one piece of work each at a time, first in, first out. */
import type { Agenda } from "./agenda.ts";

export class Slots {
  /** May change at any time. */
  count: number;
  readonly #agenda: Agenda;
  #busy = 0;
  readonly #backlog: (() => void)[] = [];

  constructor(count: number, agenda: Agenda) {
    this.count = count;
    this.#agenda = agenda;
  }

  /** Calls `done` when the work is done. @param serviceMs called when the work gets its slot */
  serve(serviceMs: () => number, done: () => void): void {
    this.#backlog.push(() => {
      this.#busy += 1;
      this.#agenda.after(serviceMs(), () => {
        this.#busy -= 1;
        done();
        this.#serveNext();
      });
    });
    this.#serveNext();
  }

  #serveNext(): void {
    while (this.#busy < this.count && this.#backlog.length > 0) this.#backlog.shift()?.();
  }
}
